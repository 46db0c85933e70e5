"""Hoffmann's law, L = E + A/N^alpha + B/D^beta, with one exponent or a sharper corner.

References: Hoffmann et al. 2022 (arXiv:2203.15556, eq. 10 and section 3.3); exponents tied as in
Muennighoff et al. 2023 (arXiv:2305.16264). The p-norm joins the two terms by a power mean: k = 1 is
the plain sum, large k the larger of both, which fits ladders of small models better.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import (
    Array,
    Feature,
    Form,
    Jet,
    Law,
    Linear,
    Param,
    Published,
    Seeds,
    Values,
    exponent,
    log,
    positive,
)
from scaling.laws.terms import above, sum_core


def _sum(N: Any, D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> Any:
    return E + A / N**alpha + B / D**beta


def _power_mean(N: Any, D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, k: Any) -> Any:
    n_term, d_term = A / N**alpha, B / D**beta
    swap = np.real(d_term) > np.real(n_term)
    large, small = np.where(swap, d_term, n_term), np.where(swap, n_term, d_term)
    return E + large * (1 + (small / large) ** k) ** (1 / k)  # the ratio cannot overflow


def _power_mean_core(y: tuple[Array, ...]) -> Jet:
    """ln(E + e^M), M = ln(e^(k zN) + e^(k zD)) / k, the smooth maximum of zN and zD.

    With q the softmax of k z: dM/dz = q, dM/dk = -entropy(q)/k^2, and the second derivatives
    follow from dq_i/dk = q_i (z_i - mean_q z).
    """
    E, n, d, k = y
    m = np.logaddexp(k * n, k * d) / k
    p = np.exp(k * (n - m))
    q = np.exp(k * (d - m))
    entropy = -k * (p * (n - m) + q * (d - m))
    spread = p * q * (n - d)  # dp/dk = -dq/dk
    hessian = {
        (0, 0): k * p * q,
        (0, 1): -k * p * q,
        (1, 1): k * p * q,
        (0, 2): spread,
        (1, 2): -spread,
        (2, 2): 2 * entropy / k**3 + spread * (n - d) / k,
    }
    return above(E, Jet(m, (p, q, -entropy / k**2), hessian))


def _features(alpha: str, beta: str, *more: str) -> tuple[Feature, ...]:
    return (
        Feature("E"),
        Feature("A", alpha, "N"),
        Feature("B", beta, "D"),
        *(Feature(name) for name in more),
    )


def _exponents(p: Values) -> tuple[Any, Any]:
    """N_opt ~ C^a and D_opt ~ C^b; the p-norm's k changes neither."""
    total = p["alpha"] + p["beta"]
    return p["beta"] / total, p["alpha"] / total


def _optimum(C: Any, p: Values) -> Any:
    """Hoffmann's closed form: G (C/6)^a, G = (alpha A / (beta B))^(1/(alpha+beta)); k as a root."""
    a, _ = _exponents(p)
    ratio = (p["alpha"] / p["beta"]) ** (1 / p.get("k", 1.0)) * (p["A"] / p["B"])
    return ratio ** (1 / (p["alpha"] + p["beta"])) * (C / 6) ** a


def _tied(p: Values) -> dict[str, Any]:
    return {**p, "beta": p["alpha"]}


def _mean_outer(loss: Array, *names: str) -> dict[str, Array]:
    grid = np.geomspace(0.05, 1.2, 9)
    return {
        "E": loss.min() * np.array([0.0, 0.3, 0.6, 0.8, 0.93]),
        **dict.fromkeys(names, grid),
        "k": np.array([0.7, 1.0, 1.6, 3.0, 8.0]),
    }


def _mean_linear(x: Values, loss: Array, o: Values) -> Linear:
    """(L - E)^k is linear in A^k and B^k given E, k and the exponents."""
    above = np.maximum(loss - o["E"], 1e-9 * loss)
    target = above ** o["k"]
    columns = (x["N"] ** (-o["k"] * o["alpha"]), x["D"] ** (-o["k"] * o["beta"]))
    basis = np.stack(np.broadcast_arrays(*columns), axis=-1)
    return Linear(basis, target, o["k"] * target / above * loss)


def _mean_assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "A": c[..., 0] ** (1 / o["k"]), "B": c[..., 1] ** (1 / o["k"])}


def _mean_seeds(*names: str) -> Seeds:
    tied = "beta" not in names
    return Seeds(
        lambda x, loss: _mean_outer(loss, *names),
        lambda x, loss, o: _mean_linear(x, loss, _tied(o) if tied else o),
        _mean_assemble,
    )


_K_RANGE = Param(0.3, 30.0, "linear")
_K_MEANING = {"k": "sharpness of the corner: 1 the sum of the terms, large the larger of them"}

chinchilla = Law(
    name="chinchilla",
    formula="E + A/N^alpha + B/D^beta",
    predict=_sum,
    params={"E": positive(), "A": log(), "B": log(), "alpha": exponent(), "beta": exponent()},
    linear=("E", "A", "B"),
    reference="Hoffmann et al. 2022, arXiv:2203.15556, eq. 10",
    form=Form(_features("alpha", "beta"), sum_core),
    exponents=_exponents,
    optimum=_optimum,
)

chinchilla_tied = Law(
    name="chinchilla_tied",
    formula="E + A/N^alpha + B/D^alpha",
    predict=lambda N, D, **p: _sum(N, D, **_tied(p)),
    params={"E": positive(), "A": log(), "B": log(), "alpha": exponent()},
    linear=("E", "A", "B"),
    reference="Muennighoff et al. 2023, arXiv:2305.16264 (alpha = beta)",
    form=Form(_features("alpha", "alpha"), sum_core),
    exponents=lambda p: _exponents(_tied(p)),
    optimum=lambda C, p: _optimum(C, _tied(p)),
)

pnorm = Law(
    name="pnorm",
    formula="E + ((A/N^alpha)^k + (B/D^beta)^k)^(1/k)",
    predict=_power_mean,
    params={**chinchilla.params, "k": _K_RANGE},
    linear=("E",),
    reference="the terms of arXiv:2203.15556, eq. 10, joined by a p-norm",
    meaning=_K_MEANING,
    form=Form(_features("alpha", "beta", "k"), _power_mean_core),
    seeds=_mean_seeds("alpha", "beta"),
    exponents=_exponents,
    optimum=_optimum,
)

pnorm_tied = Law(
    name="pnorm_tied",
    formula="E + ((A/N^alpha)^k + (B/D^alpha)^k)^(1/k)",
    predict=lambda N, D, **p: _power_mean(N, D, **_tied(p)),
    params={**chinchilla_tied.params, "k": _K_RANGE},
    linear=("E",),
    reference="the terms of arXiv:2203.15556, eq. 10, joined by a p-norm, alpha = beta",
    meaning=_K_MEANING,
    form=Form(_features("alpha", "alpha", "k"), _power_mean_core),
    seeds=_mean_seeds("alpha"),
    exponents=lambda p: _exponents(_tied(p)),
    optimum=lambda C, p: _optimum(C, _tied(p)),
)

# Abstract of arXiv:2203.15556: 70 million to over 16 billion parameters, 5 to 500 billion tokens.
_HOFFMANN_RUNS = {"N": (7e7, 1.6e10), "D": (5e9, 5e11)}

hoffmann2022 = Published(
    name="hoffmann2022",
    law="chinchilla",
    params={"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28},
    reference="Hoffmann et al. 2022, arXiv:2203.15556, eq. 10",
    read="data of the replication, epoch-research/analyzing-chinchilla",
    note="C is 6ND; as printed: rounding moves the optimum",
    n_kind="total",
    ranges=_HOFFMANN_RUNS,
)

hoffmann2022_unrounded = Published(
    name="hoffmann2022_unrounded",
    law="chinchilla",
    params={
        "E": float(np.exp(0.5267228)),
        "A": float(np.exp(6.0073404)),
        "B": float(np.exp(6.0179186)),
        "alpha": 0.33917084,
        "beta": 0.2849083,
    },
    reference="Hoffmann et al. 2022, arXiv:2203.15556: ln E, ln A, ln B before rounding",
    read="notebook of the replication, epoch-research/analyzing-chinchilla",
    note="C is 6ND",
    n_kind="total",
    ranges=_HOFFMANN_RUNS,
)

besiroglu2024 = Published(
    name="besiroglu2024",
    law="chinchilla",
    params={"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
    reference="Besiroglu et al. 2024, arXiv:2404.10102",
    read="released notebook, epoch-research/analyzing-chinchilla",
    note="C is 6ND; A, B and exponents are the optimum of absolute log "
    "residuals, E that of Huber 1e-3: the row mixes two fits",
    n_kind="total",
    ranges={"N": (5.73e7, 1.62e10), "D": (8.19e8, 3.18e11)},  # of the 240 points that were fitted
)

sardana2024 = Published(
    name="sardana2024",
    law="chinchilla",
    params={"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.336, "beta": 0.283},
    reference="Sardana et al. 2024, arXiv:2401.00448, appendix A, footnote 2",
    read="notes on the paper; A, B, alpha and beta also in released code (lvwerra/harms-law)",
    note="Hoffmann's A and B with exponents of one digit more than printed, after de Vries; their "
    "analysis of inference rests on it",
    n_kind="total",
)

muennighoff2023_tied = Published(
    name="muennighoff2023_tied",
    law="chinchilla_tied",
    params={
        "E": float(np.exp(0.6254804)),
        "A": float(np.exp(6.255414)),
        "B": float(np.exp(7.3049974)),
        "alpha": 0.3526596,
    },
    reference="Muennighoff et al. 2023, arXiv:2305.16264, appendix A: ln E, ln A, ln B",
    read="released notebook, huggingface/datablations, utils/parametric_fit.ipynb",
    note="fitted to C4 runs of one epoch",
)
