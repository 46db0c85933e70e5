"""Mixtures of experts: how the loss depends on experts, their grain, or the part that is idle.

References: Clark et al. 2022 (arXiv:2202.01169, eq. 1, table 3); Krajewski et al. 2024
(arXiv:2402.07871, eq. 9, table 1); Abnar et al. 2025 (arXiv:2501.12370, eq. 6, table 3);
Ludziejewski et al. 2025 (arXiv:2502.05172), whose constants were not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import (
    Array,
    Law,
    Linear,
    Param,
    Published,
    Seeds,
    Values,
    free,
    log,
    positive,
)

_NOTES = "as quoted in notes on the paper (yigitokar/scaling-laws-as-production-functions)"

_EXPONENT = Param(1e-4, 2.0, "linear", tuple(np.geomspace(0.05, 1.0, 8).tolist()))
_FEW = Param(1e-4, 3.0, "linear", (0.08, 0.25, 0.7))
_SIGNED = Param(-2.0, 2.0, "linear", (-0.4, -0.15, 0.15, 0.4))
_SATURATION: dict[str, Param] = {
    "K_start": Param(1.0, 20.0, "linear", (1.2, 2.0, 4.0)),
    "K_max": Param(21.0, 1e7, "log", (60.0, 300.0, 2000.0)),
}
_EXPERTS = {
    "K": "experts, 1 for a dense model",
    "K_start": "experts below which more of them change nothing",
    "K_max": "experts above which more of them change nothing",
}


def _effective(K: Any, K_start: Any, K_max: Any) -> Any:
    """Experts that count: K_start at one, K_max at infinitely many."""
    return 1 / (1 / (K - 1 + 1 / (1 / K_start - 1 / K_max)) + 1 / K_max)


def _routed(N: Any, K: Any, *, a: Any, b: Any, c: Any, d: Any, K_start: Any, K_max: Any) -> Any:
    n, k = np.log10(np.e) * np.log(N), np.log10(np.e) * np.log(_effective(K, K_start, K_max))
    return np.exp(np.log(10.0) * (a * n + b * k + c * n * k + d))


def _routed_linear(x: Values, loss: Array, o: Values) -> Linear:
    """log10 loss is linear in (-a, -b, c, d) given the saturation."""
    k = np.log10(_effective(x["K"], o["K_start"], o["K_max"]))
    n = np.log10(x["N"]) + 0 * k
    basis = np.stack([-n, -k, n * k, np.ones_like(n)], axis=-1)
    return Linear(basis, np.log10(loss), np.ones_like(loss))


def _routed_assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "a": -c[..., 0], "b": -c[..., 1], "c": c[..., 2], "d": c[..., 3]}


def _saturation(x: Values, loss: Array) -> dict[str, Array]:
    return {name: np.array(kind.grid) for name, kind in _SATURATION.items()}


def _fine_grained(
    N: Any, D: Any, G: Any, *, c: Any, a: Any, b: Any, g: Any, alpha: Any, beta: Any, gamma: Any
) -> Any:
    return c + (g / G**gamma + a) / N**alpha + b / D**beta


def _sparse(N: Any, D: Any, S: Any, **p: Any) -> Any:
    active = 1 - S
    idle = p["c"] / active ** p["lam"] + p["d"] / (active ** p["delta"] * N ** p["gamma"])
    return p["a"] / N ** p["alpha"] + p["b"] / D ** p["beta"] + idle + p["e"]


def _joint(N: Any, D: Any, K: Any, **p: Any) -> Any:
    k = np.log(_effective(K, p["K_start"], p["K_max"]))
    size = p["delta"] * k + (p["alpha"] + p["gamma"] * k) * np.log(N)
    tokens = p["omega"] * k + (p["beta"] + p["zeta"] * k) * np.log(D)
    return p["a"] * np.exp(size) + p["b"] * np.exp(tokens) + p["c"]


def _joint_outer(x: Values, loss: Array) -> dict[str, Array]:
    falls = -np.geomspace(0.06, 0.6, 6)
    few = np.array([-0.3, 0.0, 0.3])
    small = np.array([-0.02, 0.0, 0.02])
    return {
        "alpha": falls,
        "beta": falls,
        "delta": few,
        "omega": few,
        "gamma": small,
        "zeta": small,
        "K_start": np.array([1.5, 3.0]),
        "K_max": np.array([300.0]),
    }


def _joint_linear(x: Values, loss: Array, o: Values) -> Linear:
    zero = {"a": 0.0, "b": 0.0, "c": 0.0}
    parts = [_joint(x["N"], x["D"], x["K"], **o, **{**zero, name: 1.0}) for name in zero]
    return Linear(np.stack(np.broadcast_arrays(*parts), axis=-1), loss, loss)


def _joint_assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "a": c[..., 0], "b": c[..., 1], "c": c[..., 2]}


routed = Law(
    name="routed",
    formula="10^(a log10 N + b log10 K' + c log10 N log10 K' + d), "
    "1/K' = 1/(K - 1 + 1/(1/K_start - 1/K_max)) + 1/K_max",
    predict=_routed,
    params={"a": free(), "b": free(), "c": free(), "d": free(), **_SATURATION},
    variables=("N", "K"),
    reference="Clark et al. 2022, arXiv:2202.01169, eq. 1 and 10",
    meaning={
        **_EXPERTS,
        "N": "parameters of the dense model that the experts widen",
        "a": "power of N at one effective expert, below 0",
        "b": "power of the effective experts where log10 N is 0, below 0",
        "c": "how one takes from the other: above 0, experts help large models less",
        "d": "log10 of the loss where both logarithms are 0",
    },
    ranges={"N": (1.5e7, 7e9), "K": (1.0, 512.0)},
    own_units=("K",),
    seeds=Seeds(_saturation, _routed_linear, _routed_assemble),
)

fine_grained_moe = Law(
    name="fine_grained_moe",
    formula="c + (g/G^gamma + a)/N^alpha + b/D^beta",
    predict=_fine_grained,
    params={
        "c": positive(),
        "a": log(),
        "b": log(),
        "g": log(),
        "alpha": _EXPONENT,
        "beta": _EXPONENT,
        "gamma": _EXPONENT,
    },
    variables=("N", "D", "G"),
    linear=("c", "a", "b", "g"),
    reference="Krajewski et al. 2024, arXiv:2402.07871, eq. 9",
    meaning={
        "c": "irreducible loss",
        "a": "amplitude of the term of N that no granularity takes away",
        "b": "amplitude of the term of D",
        "g": "amplitude of the term of N at granularity 1",
        "gamma": "exponent of the granularity",
        "N": "all parameters, at one number of experts",
    },
    own_units=("G",),
)

moe_sparsity = Law(
    name="moe_sparsity",
    formula="a/N^alpha + b/D^beta + c/(1-S)^lam + d/((1-S)^delta N^gamma) + e",
    predict=_sparse,
    params={
        "a": log(),
        "b": log(),
        "c": log(),
        "d": log(),
        "e": positive(),
        "alpha": Param(1e-4, 2.0, "linear", tuple(np.geomspace(0.1, 1.0, 6).tolist())),
        "beta": Param(1e-4, 2.0, "linear", tuple(np.geomspace(0.1, 1.0, 6).tolist())),
        "gamma": _FEW,
        "lam": _SIGNED,
        "delta": _SIGNED,
    },
    variables=("N", "D", "S"),
    linear=("a", "b", "c", "d", "e"),
    reference="Abnar et al. 2025, arXiv:2501.12370, eq. 6",
    meaning={
        "N": "all parameters",
        "a": "amplitude of the term of N",
        "b": "amplitude of the term of D",
        "c": "amplitude of the term of the active part",
        "d": "amplitude of the joint term of N and the active part",
        "e": "irreducible loss",
        "lam": "exponent of the active part by itself",
        "delta": "exponent of the active part, with N",
        "gamma": "exponent of N, with the active part",
    },
    zero=("S",),
    own_units=("S",),
)

joint_moe = Law(
    name="joint_moe",
    formula="a K'^delta N^(alpha + gamma ln K') + b K'^omega D^(beta + zeta ln K') + c, "
    "K' as in law routed",
    predict=_joint,
    params={
        "a": log(),
        "b": log(),
        "c": positive(),
        "alpha": Param(-2.0, -1e-4),
        "beta": Param(-2.0, -1e-4),
        "gamma": free(),
        "delta": free(),
        "omega": free(),
        "zeta": free(),
        **_SATURATION,
    },
    variables=("N", "D", "K"),
    linear=("a", "b", "c"),
    reference="Ludziejewski et al. 2025, arXiv:2502.05172",
    meaning={
        **_EXPERTS,
        "N": "active parameters",
        "a": "amplitude of the term of N",
        "b": "amplitude of the term of D",
        "c": "irreducible loss",
        "alpha": "power of N, below 0",
        "beta": "power of D, below 0",
        "gamma": "how the power of N moves with ln K'",
        "delta": "power of K' in the term of N",
        "omega": "power of K' in the term of D",
        "zeta": "how the power of D moves with ln K'",
    },
    ranges={"K": (1.0, 64.0)},
    own_units=("K",),
    seeds=Seeds(_joint_outer, _joint_linear, _joint_assemble),
)


def _clark(router: str, a: float, b: float, c: float, d: float, *ends: float) -> Published:
    start, most = ends
    return Published(
        name=f"clark2022_{router}",
        law="routed",
        params={"a": a, "b": b, "c": c, "d": d, "K_start": start, "K_max": most},
        reference="Clark et al. 2022, arXiv:2202.01169, table 3",
        read=_NOTES,
        note="loss in nats after 130B tokens; N without embeddings; K_max is weakly identified",
    )


clark2022_sbase = _clark("sbase", -0.082, -0.108, 0.009, 1.104, 1.847, 314.478)
clark2022_rlr = _clark("rlr", -0.083, -0.126, 0.012, 1.111, 1.880, 469.982)
clark2022_hash = _clark("hash", -0.087, -0.136, 0.012, 1.157, 4.175, 477.741)

krajewski2024 = Published(
    name="krajewski2024",
    law="fine_grained_moe",
    params={
        "c": 0.47,
        "a": 18.1,
        "b": 30.8,
        "g": 2.1,
        "alpha": 0.115,
        "beta": 0.147,
        "gamma": 0.58,
    },
    reference="Krajewski et al. 2024, arXiv:2402.07871, table 1",
    read=_NOTES,
    note="64 times as many experts as are active; N counts all parameters but embeddings",
    ranges={"N": (129e6, 3.7e9), "D": (16e9, 130e9), "G": (1.0, 16.0)},
)

abnar2025 = Published(
    name="abnar2025",
    law="moe_sparsity",
    params={
        "a": 16612.50,
        "b": 5455.67,
        "c": 0.4598,
        "d": 17.26,
        "e": 0.94,
        "alpha": 0.5962,
        "beta": 0.3954,
        "lam": -0.1666,
        "delta": 0.1603,
        "gamma": 0.1595,
    },
    reference="Abnar et al. 2025, arXiv:2501.12370, table 3",
    read=f"{_NOTES}; the same digits in others' code",
    note="R2 on held-out runs of 98% sparsity is 68% as the paper says",
)
