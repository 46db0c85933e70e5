"""Farseer: the exponent of the tokens, and both amplitudes, move with the size of the model.

Reference: Li et al. 2025 (arXiv:2506.10972, eq. 3), whose constants were not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Seeds, Values, free
from scaling.laws.products import slope

_BEND = 0.1  # exponents of the starts: nearly straight in ln N


def _loss(N: Any, D: Any, **p: Any) -> Any:
    ln_n = np.log(N)
    fall = np.exp(p["a1"] * np.exp(p["alpha"] * ln_n) + p["b1"])
    height = p["a2"] * np.exp(p["beta"] * ln_n) + p["b2"]
    floor = p["a3"] * np.exp(p["gamma"] * ln_n) + p["b3"]
    return np.exp(floor) + np.exp(height - fall * np.log(D))


def _outer(x: Values, loss: Array) -> dict[str, Array]:
    """At the middle of the sizes: the exponent of D, and how it and the two terms move there."""
    return {
        "middle": np.array([np.log(x["N"]).mean()]),
        "fall": np.geomspace(0.08, 0.9, 8),
        "fall_slope": np.array([-0.08, -0.02, 0.02, 0.08]),
        "height_slope": np.array([-0.6, -0.3, -0.1, 0.1, 0.3, 0.6, 1.0]),
        "floor_slope": np.array([-0.3, -0.15, -0.07, -0.02]),
    }


def _coefficients(o: Values) -> dict[str, Any]:
    """a and b of each part where its value at the middle is 0 and its slope there is given."""
    power = np.exp(_BEND * o["middle"])
    found = {}
    for i, part in enumerate(("fall", "height", "floor"), start=1):
        found[f"a{i}"] = o[f"{part}_slope"] / (_BEND * power)
        found[f"b{i}"] = -found[f"a{i}"] * power
    found["b1"] = found["b1"] + np.log(o["fall"])
    return {**found, "alpha": _BEND, "beta": _BEND, "gamma": _BEND}


def _linear(x: Values, loss: Array, o: Values) -> Linear:
    """Linear in the two terms' sizes at the middle."""
    p = _coefficients(o)
    curve = np.exp(_BEND * np.log(x["N"]))
    fall = np.exp(p["a1"] * curve + p["b1"])
    floor = np.exp(p["a3"] * curve + p["b3"])
    height = np.exp(p["a2"] * curve + p["b2"] - fall * np.log(x["D"]))
    return Linear(np.stack(np.broadcast_arrays(floor, height), axis=-1), loss, loss)


def _assemble(o: Values, c: Array) -> dict[str, Any]:
    p = _coefficients(o)
    sizes = np.log(np.maximum(c, 1e-300))
    return {**p, "b3": p["b3"] + sizes[..., 0], "b2": p["b2"] + sizes[..., 1]}


farseer = Law(
    name="farseer",
    formula="exp(a3*N^gamma + b3) + exp(a2*N^beta + b2) * D^(-exp(a1*N^alpha + b1))",
    predict=_loss,
    params={
        "a1": free(),
        "b1": free(),
        "alpha": slope(2.0),
        "a2": free(),
        "b2": free(),
        "beta": slope(2.0),
        "a3": free(),
        "b3": free(),
        "gamma": slope(2.0),
    },
    reference="Li et al. 2025, arXiv:2506.10972, eq. 3",
    meaning={
        "a1": "how the exponent of D moves with N",
        "b1": "logarithm of the exponent of D where N^alpha is 0",
        "alpha": "bend of the exponent of D over N",
        "a2": "how the amplitude of the term of D moves with N",
        "b2": "logarithm of that amplitude where N^beta is 0",
        "beta": "bend of that amplitude over N",
        "a3": "how the loss at endless data moves with N",
        "b3": "logarithm of that loss where N^gamma is 0",
        "gamma": "bend of that loss over N",
    },
    seeds=Seeds(_outer, _linear, _assemble),
)
