"""Busbridge's law, E + (A/N^alpha + B/D^beta)^gamma: Hoffmann's terms under one more power.

Reference: Busbridge et al. 2025 (arXiv:2502.08606), also used for xLSTM (arXiv:2510.02228). It is
Hoffmann's law at gamma = 1, and the p-norm law in other words, with k = 1/gamma: it shares that
law's form. The published values were not read, so none are shipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws import chinchilla as hoffmann
from scaling.laws.law import Array, Form, Law, Linear, Param, Seeds, Values


def _predict(N: Any, D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, gamma: Any) -> Any:
    return E + (A / N**alpha + B / D**beta) ** gamma


def _encode(p: Values) -> dict[str, Any]:
    g = p["gamma"]
    return {
        "E": p["E"],
        "A": p["A"] ** g,
        "B": p["B"] ** g,
        "alpha": p["alpha"] * g,
        "beta": p["beta"] * g,
        "k": 1 / g,
    }


def _decode(c: Values) -> dict[str, Any]:
    k = c["k"]
    return {
        "E": c["E"],
        "A": c["A"] ** k,
        "B": c["B"] ** k,
        "alpha": c["alpha"] * k,
        "beta": c["beta"] * k,
        "gamma": 1 / k,
    }


def _linearise(x: Values, loss: Array, o: Values) -> Linear:
    """(L - E)^(1/gamma) is linear in A and B given E, gamma and the exponents."""
    above = np.maximum(loss - o["E"], 1e-9 * loss)
    target = above ** (1 / o["gamma"])
    columns = (x["N"] ** -o["alpha"], x["D"] ** -o["beta"])
    basis = np.stack(np.broadcast_arrays(*columns), axis=-1)
    return Linear(basis, target, target / above / o["gamma"] * loss)


def _outer(x: Values, loss: Array) -> dict[str, Array]:
    return {
        "E": loss.min() * np.array([0.0, 0.3, 0.6, 0.8, 0.93]),
        "alpha": np.geomspace(0.05, 1.2, 9),
        "beta": np.geomspace(0.05, 1.2, 9),
        "gamma": np.array([0.2, 0.4, 0.65, 1.0, 1.5]),
    }


_FORM = hoffmann.pnorm.form
assert _FORM is not None  # for the type checker

busbridge = Law(
    name="busbridge",
    formula="E + (A/N^alpha + B/D^beta)^gamma",
    predict=_predict,
    params={**hoffmann.chinchilla.params, "gamma": Param(1 / 30, 3.0)},
    linear=("E",),
    reference="Busbridge et al. 2025, arXiv:2502.08606",
    form=Form(
        _FORM.features,
        _FORM.core,
        coordinates=hoffmann.pnorm.params,
        encode=_encode,
        decode=_decode,
    ),
    seeds=Seeds(_outer, _linearise, lambda o, c: {**o, "A": c[..., 0], "B": c[..., 1]}),
    exponents=hoffmann.chinchilla.exponents,
    optimum=hoffmann.chinchilla.optimum,  # a power of the sum has its minimum where the sum has it
)
