"""The two naive rules for N_opt, which every fitted one should be held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.cost import Cost
from scaling.fit.budgets import local_minimum
from scaling.forecast.rows import Rows

Array = NDArray[np.float64]

TOKENS_PER_PARAM = 20.0  # Hoffmann et al. 2022 (arXiv:2203.15556), as it is quoted
SLOPE = 0.5  # of ln N_opt in ln C: N and D grow alike


@dataclass(frozen=True)
class Rule:
    """A rule of thumb. n_opt: from the rows known and C [...] to N_opt [...]; NaN where the rows
    don't allow it."""

    name: str
    words: str
    n_opt: Callable[[Rows, ArrayLike], Array]


def twenty(rows: Rows, C: ArrayLike) -> Array:
    """D = 20 N, which is said of tokens: of nothing where D counts images or pairs."""
    if not rows.of_tokens:
        return np.full(np.shape(C), np.nan)
    return size_at(rows.cost, C, TOKENS_PER_PARAM)


def last_minimum(rows: Rows, C: ArrayLike) -> Array:
    """The minimum of the largest budget that shows one, and from there N_opt ~ C^.5."""
    C = np.asarray(C, dtype=float)
    for budget in reversed(rows.budgets):
        at = local_minimum(np.log(rows.N[budget.rows]), rows.loss[budget.rows])
        if at.known:
            return np.asarray(np.exp(at.n) * (C / budget.C) ** SLOPE)
    return np.full(C.shape, np.nan)


def by_rules(rows: Rows, C: float) -> dict[str, float]:
    """N_opt at C by each rule that these rows allow."""
    found = {name: float(rule.n_opt(rows, C)) for name, rule in RULES.items()}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def size_at(cost: Cost, C: ArrayLike, tokens_per_param: ArrayLike) -> Array:
    """The N that C FLOPs [...] train on so many tokens for each parameter [...]."""
    c = np.log(np.asarray(C, dtype=float) / np.asarray(tokens_per_param, dtype=float))
    n = 0.5 * (c - np.log(6.0))
    for _ in range(60):  # Newton on a monotone, nearly straight curve; exact at once for 6ND
        N = np.exp(n)
        n = n - (np.log(cost.flops_per_token(N)) + n - c) / (1 + cost.elasticity(N))
    return np.asarray(np.exp(n))


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("twenty", "20 tokens for each parameter", twenty),
        Rule(
            "last_minimum", "the last budget's minimum, and N_opt ~ C^.5 from there", last_minimum
        ),
    )
}
