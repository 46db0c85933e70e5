"""Learning curves M1 to M4, by default of a variable `x`.

Reference: Alabdulmohsin et al. 2022 (arXiv:2209.06640) and its released code. Published per task,
so no values are shipped. Exponents here are positive where the paper's are negative.
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
    Seeds,
    Values,
    exponent,
    log,
    positive,
)
from scaling.laws.terms import sigmoid, softplus, sum_form

_MOST_STEPS = 80  # of Newton's; some six are enough but in corners


m1 = Law(
    name="m1",
    formula="b*x^-c",
    predict=lambda x, *, b, c: b * x**-c,
    params={"b": log(), "c": exponent()},
    variables=("x",),
    linear=("b",),
    reference="Alabdulmohsin et al. 2022, arXiv:2209.06640, M1",
    meaning={"b": "amplitude", "c": "exponent; the paper's with its sign turned"},
)

m2 = Law(
    name="m2",
    formula="b*x^-c + e",
    predict=lambda x, *, b, c, e: b * x**-c + e,
    params={"e": positive(), "b": log(), "c": exponent()},
    variables=("x",),
    linear=("b", "e"),
    reference="Alabdulmohsin et al. 2022, arXiv:2209.06640, M2",
    meaning={
        "b": "amplitude",
        "c": "exponent; the paper's with its sign turned",
        "e": "irreducible loss",
    },
    form=sum_form(Feature("b", "c", "x"), offset="e"),
)


def _m3_outer(x: Values, loss: Array) -> dict[str, Array]:
    """1/x + g bends where x is 1/g: bends all over the data's range, and beyond its end."""
    low, high = np.log(x["x"]).min(), np.log(x["x"]).max()
    bends = np.exp(np.linspace(low, high + 3.0, 16))
    return {"g": 1 / bends, "c": np.array(exponent().grid)}


def _m3_linear(x: Values, loss: Array, o: Values) -> Linear:
    return Linear(((1 / x["x"] + o["g"]) ** o["c"])[..., None], loss, loss)


m3 = Law(
    name="m3",
    formula="b*(1/x + g)^c",
    predict=lambda x, *, b, g, c: b * (1 / x + g) ** c,
    params={"b": log(), "g": log(), "c": exponent()},
    variables=("x",),
    linear=("b",),
    reference="Alabdulmohsin et al. 2022, arXiv:2209.06640, M3",
    meaning={"b": "amplitude", "g": "1/x at which the curve flattens", "c": "exponent"},
    seeds=Seeds(_m3_outer, _m3_linear, lambda o, c: {**o, "b": c[..., 0]}),
)


def _m4(x: Any, *, e: Any, e0: Any, b: Any, c: Any, alpha: Any) -> Any:
    """The L that solves the formula. With L = e + (e0 - e) sigmoid(s) it reads
    alpha softplus(s) - softplus(-s) = w, which rises and bends one way: Newton cannot miss it."""
    span = e0 - e
    w = np.log(b) - c * np.log(x) - (1 - alpha) * np.log(span)
    s = np.where(np.real(w) < 0, w, w / alpha)
    for _ in range(_MOST_STEPS):
        missing = alpha * softplus(s) - softplus(-s) - w
        step = missing / (sigmoid(-s) + alpha * sigmoid(s))
        s = s - step
        if not (np.abs(step) > 1e-13 * (1 + np.abs(s))).any():
            break
    # one more step carries a complex direction through to rounding
    s = s - (alpha * softplus(s) - softplus(-s) - w) / (sigmoid(-s) + alpha * sigmoid(s))
    return e + span * sigmoid(s)


def _m4_core(y: tuple[Array, ...]) -> Jet:
    """L by e, e0, z = ln b - c ln x and alpha, from F = ln(L - e) - alpha ln(e0 - L) - z = 0."""
    e, e0, z, alpha = y
    value = _m4(1.0, e=e, e0=e0, b=np.exp(z), c=0.0, alpha=alpha)
    p, q = value - e, e0 - value
    by_value, twice = 1 / p + alpha / q, alpha / q**2 - 1 / p**2
    first = (-1 / p, -alpha / q, -np.ones_like(value), -np.log(q))  # of F, by each of y
    mixed = (1 / p**2, -alpha / q**2, 0.0, 1 / q)  # of F, by L and each of y
    second = {(0, 0): -1 / p**2, (1, 1): alpha / q**2, (1, 3): -1 / q}
    gradient = tuple(-f / by_value for f in first)
    hessian = {
        (j, k): -(
            second.get((j, k), 0.0)
            + mixed[j] * gradient[k]
            + mixed[k] * gradient[j]
            + twice * gradient[j] * gradient[k]
        )
        / by_value
        for k in range(4)
        for j in range(k + 1)
    }
    return Jet(value, gradient, hessian)


def _m4_outer(x: Values, loss: Array) -> dict[str, Array]:
    return {
        "e": loss.min() * np.array([0.0, 0.4, 0.75, 0.95]),
        "e0": loss.max() * np.array([1.01, 1.1, 1.4, 2.5, 6.0]),
        "c": np.geomspace(0.05, 1.5, 9),
        "alpha": np.array([0.15, 0.4, 0.8, 1.3, 2.0]),
    }


def _m4_linear(x: Values, loss: Array, o: Values) -> Linear:
    """(L - e)/(e0 - L)^alpha is linear in b given the rest."""
    above, below = loss - o["e"], o["e0"] - loss
    target = above / below ** o["alpha"]
    slope = target * (1 / above + o["alpha"] / below)
    return Linear((x["x"] ** -o["c"] + 0 * target)[..., None], target, slope * loss)


m4 = Law(
    name="m4",
    formula="L with (L - e)/(e0 - L)^alpha = b*x^-c",
    predict=_m4,
    params={
        "e": positive(),
        "e0": positive(),
        "b": log(),
        "c": exponent(),
        "alpha": Param(0.02, 5.0),
    },
    variables=("x",),
    reference="Alabdulmohsin et al. 2022, arXiv:2209.06640, M4",
    meaning={
        "e": "irreducible loss",
        "e0": "loss of chance, where the curve starts",
        "b": "amplitude",
        "c": "exponent",
        "alpha": "how slowly the curve leaves chance",
    },
    form=Form(
        (Feature("e"), Feature("e0"), Feature("b", "c", "x"), Feature("alpha")),
        _m4_core,
        plain=True,
    ),
    seeds=Seeds(_m4_outer, _m4_linear, lambda o, c: {**o, "b": c[..., 0]}),
)
