"""Parallel streams: P passes over differently prefixed inputs act like more parameters.

Reference: Chen et al. 2025, ParScale (arXiv:2505.10475, eq. 5).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Seeds, Values, exponent, log, positive


def _loss(N: Any, P: Any, *, E: Any, Nc: Any, alpha: Any, k: Any) -> Any:
    return E + (Nc / (N * (k * np.log(P) + 1))) ** alpha


def _outer(x: Values, loss: Array) -> dict[str, Array]:
    return {"alpha": np.geomspace(0.03, 1.5, 16), "k": np.geomspace(0.02, 5.0, 12)}


def _linear(x: Values, loss: Array, o: Values) -> Linear:
    """The loss is linear in E and Nc^alpha."""
    size = (x["N"] * (o["k"] * np.log(x["P"]) + 1)) ** -o["alpha"]
    return Linear(np.stack([np.ones_like(size), size], axis=-1), loss, loss)


def _assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "E": c[..., 0], "Nc": c[..., 1] ** (1 / o["alpha"])}


parscale = Law(
    name="parscale",
    formula="E + (Nc/(N*(k*ln(P) + 1)))^alpha",
    predict=_loss,
    params={"E": positive(), "Nc": log(), "alpha": exponent(), "k": positive()},
    variables=("N", "P"),
    linear=("E",),
    reference="Chen et al. 2025, arXiv:2505.10475, eq. 5",
    meaning={
        "N": "parameters without embeddings",
        "Nc": "parameters at which the reducible loss is 1 (A in the paper)",
        "k": "what a stream is worth: P streams act like N (k ln P + 1) parameters",
    },
    own_units=("P",),
    seeds=Seeds(_outer, _linear, _assemble),
)
