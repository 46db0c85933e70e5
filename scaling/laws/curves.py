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
    return e + (e0 - e) * sigmoid(_m4_rise(e0 - e, np.log(b) - c * np.log(x), alpha))


def _m4_rise(span: Any, z: Any, alpha: Any) -> Any:
    """The s of L = e + span sigmoid(s), span = e0 - e, at which the formula holds. It then reads
    s + (alpha - 1) softplus(s) = w, which rises and bends one way: Newton cannot miss it."""
    w = z - (1 - alpha) * np.log(span)
    s = np.where(np.real(w) < 0, w, w / alpha)
    for _ in range(_MOST_STEPS):
        step = _m4_step(s, w, alpha)
        s = s - step
        if not (np.abs(step) > 1e-13 * (1 + np.abs(s))).any():
            break
    # one more step carries a complex direction through to rounding
    return s - _m4_step(s, w, alpha)


def _m4_step(s: Any, w: Any, alpha: Any) -> Any:
    """Newton's, with softplus and sigmoid of s from one exponential: most of a fit's time."""
    positive = np.real(s) > 0
    small = np.exp(np.where(positive, -s, s))
    soft = np.where(positive, s, 0) + np.log1p(small)
    rising = np.where(positive, 1, small) / (1 + small)
    return (s + (alpha - 1) * soft - w) / (1 + (alpha - 1) * rising)


def _m4_core(y: tuple[Array, ...]) -> Jet:
    """L by e, e0, z = ln b - c ln x and alpha, through s: where L has come so close to e0 that the
    difference is lost to rounding, s and all derivatives are still numbers."""
    e, e0, z, alpha = y
    span = e0 - e
    s = _m4_rise(span, z, alpha)
    up, down = sigmoid(s), sigmoid(-s)
    by_z = 1 / (down + alpha * up)  # of s, as the next two
    by_span = (alpha - 1) / span * by_z
    by_alpha = (np.log(span) - softplus(s)) * by_z
    lever = span * up * down  # of L, by s
    turn = down - up - (alpha - 1) * up * down * by_z
    tilt = turn * by_span + 1 / span
    # of L = e + span sigmoid(s); span = e0 - e
    wide, wider, wide_z = up + lever * by_span, lever * by_span * tilt, lever * by_z * tilt
    wide_alpha = lever * (by_alpha * tilt + by_z * (1 / span - up * by_span))
    hessian = {
        (0, 0): wider,
        (0, 1): -wider,
        (0, 2): -wide_z,
        (0, 3): -wide_alpha,
        (1, 1): wider,
        (1, 2): wide_z,
        (1, 3): wide_alpha,
        (2, 2): lever * turn * by_z**2,
        (2, 3): lever * by_z * (turn * by_alpha - up * by_z),
        (3, 3): lever * by_alpha * (turn * by_alpha - 2 * up * by_z),
    }
    return Jet(e + span * up, (1 - wide, wide, lever * by_z, lever * by_alpha), hessian)


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
