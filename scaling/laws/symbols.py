"""The field's symbols: what the usual names stand for, and where variables usually lie.

A law that uses a name otherwise says so in its own `meaning` and `ranges`.
"""

from __future__ import annotations

from collections.abc import Mapping

from scaling.laws.law import Law

MEANING: Mapping[str, str] = {
    "N": "parameters of the model",
    "D": "training tokens seen",
    "D_unique": "distinct training tokens",
    "C": "training FLOPs",
    "U": "distinct training tokens",
    "S": "sparsity: the part of the experts that is idle",
    "P": "parallel streams",
    "K": "experts",
    "G": "granularity of the experts",
    "L": "loss, nats per token",
    "V": "words of the vocabulary",
    "x": "whatever grows: parameters, examples, tokens, steps or compute",
    "loss": "loss, nats per token",
    "E": "irreducible loss",
    "A": "amplitude of the term of N",
    "B": "amplitude of the term of D",
    "alpha": "exponent of N",
    "beta": "exponent of D",
    "gamma": "exponent of the sum of the two terms",
}

# Ends of a design that a person might really run, from least to most.
RANGES: Mapping[str, tuple[float, float]] = {
    "N": (1e5, 1e9),
    "D": (3e6, 3e10),
    "D_unique": (3e6, 1e9),
    "U": (3e6, 1e9),
    "C": (1e14, 1e21),
    "P": (1.0, 16.0),
    "S": (0.0, 0.95),
    "K": (2.0, 256.0),
    "G": (1.0, 32.0),
    "L": (2.0, 6.0),
    "loss": (2.0, 6.0),
    "V": (4e3, 1e6),
    "x": (1e2, 1e8),
}


def meaning_of(law: Law, name: str) -> str:
    """What a symbol of the law stands for; empty where nobody says."""
    return law.meaning.get(name, MEANING.get(name, ""))


def range_of(law: Law, variable: str) -> tuple[float, float]:
    """Where a variable of the law usually lies. Raises ValueError where nobody says."""
    found = law.ranges.get(variable, RANGES.get(variable))
    if found is None:
        raise ValueError(f"law {law.name}: give `ranges` for {variable}, which is no usual name")
    return found
