"""Broken neural scaling laws: power laws whose exponent changes smoothly at n breaks.

Reference: Caballero et al. 2023 (arXiv:2210.14891) and its released code. Published per task, so no
values are shipped. `bnsl(n)` makes the law of n breaks; those of 1 and 2 are in the registry: with
more, noise of a percent leaves their parameters open.

With t = ln d - ln x and v = -t/f, a break's factor (1 + (x/d)^(1/f))^(-c f) is
exp(-c f softplus(v)).
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
    place,
    positive,
)
from scaling.laws.terms import above, sigmoid, softplus

_CHANGE = (-0.6, -0.25, 0.15, 0.4, 0.9)  # of the exponent at a break
_WIDTHS = (0.15, 0.5, 1.2)  # of a break, in ln x
_PARTS = ("d", "c", "f")


def _names(i: int) -> tuple[str, str, str]:
    return f"d{i}", f"c{i}", f"f{i}"


def _ln_term(n: int, x: Any, p: Values) -> Any:
    """ln of what stands beside a."""
    value = np.log(p["b"]) - p["c0"] * np.log(x)
    for d, c, f in map(_names, range(1, n + 1)):
        value = value - p[c] * p[f] * softplus((np.log(x) - np.log(p[d])) / p[f])
    return value


def _core(n: int, y: tuple[Array, ...]) -> Jet:
    """y: a, ln b - c0 ln x, then t, c and f of each break."""
    value = y[1]
    gradient = [np.ones_like(value)]
    hessian: dict[tuple[int, int], Array] = {}
    for i in range(n):
        t, c, f = y[2 + 3 * i : 5 + 3 * i]
        v = -t / f
        soft, s = softplus(v), sigmoid(v)
        bend, entropy = s * (1 - s), soft - v * s
        value = value - c * f * soft
        gradient += [c * s, -f * soft, -c * entropy]
        k = 1 + 3 * i
        hessian |= {
            (k, k): -c * bend / f,
            (k, k + 1): s,
            (k, k + 2): -c * bend * v / f,
            (k + 1, k + 2): -entropy,
            (k + 2, k + 2): -c * bend * v**2 / f,
        }
    return above(y[0], Jet(value, tuple(gradient), hessian))


def _in_order(n: int, c: Values) -> dict[str, Any]:
    """Breaks have no order of their own: they are told from the least d to the largest."""
    places = np.stack(np.broadcast_arrays(*(c[f"d{i}"] for i in range(1, n + 1))))
    order = np.argsort(places, axis=0)
    sorted_: dict[str, Any] = dict(c)
    for part in _PARTS:
        values = np.stack(np.broadcast_arrays(*(c[f"{part}{i}"] for i in range(1, n + 1))))
        ordered = np.take_along_axis(values, order, axis=0)
        sorted_ |= {f"{part}{i}": ordered[i - 1] for i in range(1, n + 1)}
    return sorted_


def _outer(n: int, x: Values) -> dict[str, Array]:
    """Breaks that share the data's range among them; fewer values each where there are more."""
    logs = np.log(np.asarray(x["x"], dtype=float))
    edges = np.linspace(logs.min(), logs.max(), n + 1)
    axes = {"c0": np.geomspace(0.03, 0.8, 8 if n == 1 else 5)}
    per_break = {1: 9, 2: 4}.get(n, 3)
    for i in range(n):
        inside = np.linspace(edges[i], edges[i + 1], per_break + 2)[1:-1]
        changes = _CHANGE if n < 3 else _CHANGE[1:]
        widths = _WIDTHS if n == 1 else _WIDTHS[1:2]
        values = (np.exp(inside), np.array(changes), np.array(widths))
        axes |= dict(zip(_names(i + 1), values, strict=True))
    return axes


def _linearise(n: int, x: Values, loss: Array, o: Values) -> Linear:
    column = np.exp(_ln_term(n, x["x"], {**o, "b": 1.0}))
    columns = np.broadcast_arrays(np.ones_like(loss), column)
    return Linear(np.stack(columns, axis=-1), loss, loss)


def bnsl(n: int) -> Law:
    """The law of n breaks: 3 + 3n parameters."""
    breaks = [_names(i) for i in range(1, n + 1)]
    params: dict[str, Param] = {"a": positive(), "b": log(), "c0": exponent(lower=0.0)}
    meaning = {"a": "irreducible loss", "b": "amplitude", "c0": "exponent before the first break"}
    for d, c, f in breaks:
        params |= {d: place("x"), c: Param(-3.0, 3.0), f: Param(1e-3, 20.0)}
        meaning |= {
            d: "x at the break",
            c: "change of the exponent there",
            f: "width of the break, in ln x",
        }
    factors = "".join(f" * (1 + (x/{d})^(1/{f}))^(-{c}*{f})" for d, c, f in breaks)
    features = [Feature("a"), Feature("b", "c0", "x")]
    for d, c, f in breaks:
        features += [Feature(d, None, "x"), Feature(c), Feature(f)]

    def predict(x: Any, **p: Any) -> Any:
        return p["a"] + np.exp(_ln_term(n, x, p))

    return Law(
        name=f"bnsl{n}",
        formula=f"a + b*x^-c0{factors}",
        predict=predict,
        params=params,
        variables=("x",),
        linear=("a", "b"),
        reference="Caballero et al. 2023, arXiv:2210.14891",
        meaning=meaning,
        form=Form(tuple(features), lambda y: _core(n, y), decode=lambda c: _in_order(n, c)),
        seeds=Seeds(
            lambda x, loss: _outer(n, x),
            lambda x, loss, o: _linearise(n, x, loss, o),
            lambda o, c: {**o, "a": c[..., 0], "b": c[..., 1]},
        ),
    )


bnsl1, bnsl2 = bnsl(1), bnsl(2)
