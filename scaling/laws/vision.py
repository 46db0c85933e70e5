"""Images: error against compute that bends at both ends, shapes of a vision transformer, CLIP.

References: Zhai et al. 2021 (arXiv:2106.04560); Alabdulmohsin et al. 2023, SoViT
(arXiv:2305.13035); Cherti et al. 2022 (arXiv:2212.07143). Constants of these papers were not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Param, Seeds, Values, exponent, log, positive
from scaling.laws.products import product_law

_EXPONENT = Param(1e-4, 3.0, "linear", tuple(np.geomspace(0.05, 1.5, 9).tolist()))


def _bent(C: Any, *, a: Any, b: Any, c: Any, d: Any) -> Any:
    return a * (C + d) ** -b + c


def _bent_outer(x: Values, loss: Array) -> dict[str, Array]:
    """The bend may lie anywhere from far below the least compute to the middle of the data."""
    least, middle = x["C"].min(), np.exp(np.log(x["C"]).mean())
    return {"b": np.array(exponent().grid), "d": np.geomspace(0.01 * least, 3 * middle, 24)}


def _bent_linear(x: Values, loss: Array, o: Values) -> Linear:
    term = (x["C"] + o["d"]) ** -o["b"]
    return Linear(np.stack([term, np.ones_like(term)], axis=-1), loss, loss)


def _bent_assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "a": c[..., 0], "c": c[..., 1]}


def _shape(x: Any, C: Any, **p: Any) -> Any:
    by_compute = p["beta"] * x ** p["b"] + p["xi"]
    return p["alpha"] * x ** -p["a"] + by_compute * C ** -p["c"] + p["eps"]


def best_shape(C: Any, params: Values) -> Any:
    """The shape at which law `vit_shape` is least at compute C: (alpha a C^c/(beta b))^(1/(a+b)).

    Source: Alabdulmohsin et al. 2023, arXiv:2305.13035.
    """
    ratio = params["alpha"] * params["a"] / (params["beta"] * params["b"])
    return (ratio * C ** params["c"]) ** (1 / (params["a"] + params["b"]))


vit = Law(
    name="vit",
    formula="a*(C + d)^-b + c",
    predict=_bent,
    params={"a": log(), "b": exponent(), "c": positive(), "d": log()},
    variables=("C",),
    linear=("a", "c"),
    reference="Zhai et al. 2021, arXiv:2106.04560",
    meaning={
        "C": "compute, in any unit",
        "error": "part of the images that are named wrong",
        "a": "amplitude",
        "b": "exponent of the compute",
        "c": "error that no compute takes away",
        "d": "compute that an untrained model stands for",
    },
    response="error",
    ranges={"C": (1.0, 1e5)},
    seeds=Seeds(_bent_outer, _bent_linear, _bent_assemble),
)

vit_shape = Law(
    name="vit_shape",
    formula="alpha*x^-a + (beta*x^b + xi)*C^-c + eps",
    predict=_shape,
    params={
        "alpha": log(),
        "beta": log(),
        "xi": log(),
        "eps": positive(),
        "a": _EXPONENT,
        "b": _EXPONENT,
        "c": _EXPONENT,
    },
    variables=("x", "C"),
    linear=("alpha", "beta", "xi", "eps"),
    reference="Alabdulmohsin et al. 2023, arXiv:2305.13035",
    meaning={
        "x": "one dimension of the shape: width, depth or size of the MLP, the others held",
        "C": "compute, in any unit",
        "error": "part of the images that are named wrong",
        "alpha": "amplitude of what a small shape loses",
        "beta": "amplitude of what a large shape loses for want of compute",
        "xi": "amplitude of what every shape loses for want of compute",
        "eps": "error that nothing takes away",
        "a": "exponent of the shape",
        "b": "exponent of the shape, under compute",
        "c": "exponent of the compute",
    },
    response="error",
    ranges={"x": (64.0, 4096.0), "C": (1.0, 1e4)},
)

error_of_compute = product_law(
    "error_of_compute",
    "error",
    {"C": "a"},
    "Cherti et al. 2022, arXiv:2212.07143",
    meaning={
        "C": "compute, in any unit",
        "error": "part of the answers that are wrong, zero-shot",
        "a": "power of compute, below 0",
    },
)
