"""Derivatives and starts of a law from nothing but its `predict`.

`predict` is evaluated on numbers that carry their derivatives (`scaling.laws.dual`), exact to
machine precision. A law that uses functions unknown there is differentiated by complex steps:
Im f(x + ih) / h has no cancellation (Squire & Trapp 1998), and second derivatives are central
differences of that gradient, good to about ten digits, which a Newton iteration doesn't notice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scaling.laws.dual import Dual
from scaling.laws.law import Array, Feature, Form, Jet, Law, Linear, Param, Seeds, Values

_TINY = 1e-30  # complex step: no cancellation, so as small as you like
_STEP = 1e-5  # real step, about the cube root of machine precision


def form_of(law: Law, x: Values) -> Form:
    """The law's own form, or one made from `predict` at the variables x."""
    if law.form is not None:
        return law.form
    names = tuple(law.params)

    def loss(y: tuple[Any, ...]) -> Any:
        values = {
            name: np.exp(v) if law.params[name].scale == "log" else v
            for name, v in zip(names, y, strict=True)
        }
        return law.predict(**x, **values)

    def level(y: tuple[Array, ...]) -> Array:
        found: Array = loss(y)  # as it is: it may be an array of another library
        return found

    def core(y: tuple[Array, ...]) -> Jet:
        try:
            return _carried(loss, y)
        except TypeError:
            return _stepped(loss, y)

    return Form(tuple(Feature(name) for name in names), core, plain=True, level=level)


def _carried(loss: Callable[[tuple[Any, ...]], Any], y: tuple[Array, ...]) -> Jet:
    """Derivatives carried along. Raises TypeError where `loss` uses what does not carry them."""
    found = loss(tuple(Dual(v, {j: 1.0}) for j, v in enumerate(y)))
    if not isinstance(found, Dual):
        raise TypeError("derivatives were lost on the way")
    shape = np.broadcast_shapes(np.shape(found.value), *(np.shape(v) for v in y))
    slopes = tuple(np.broadcast_to(found.first.get(j, 0.0), shape) for j in range(len(y)))
    hessian = {pair: np.broadcast_to(h, shape) for pair, h in found.second.items()}
    return Jet(np.broadcast_to(found.value, shape), slopes, hessian)


def _stepped(loss: Callable[[tuple[Any, ...]], Any], y: tuple[Array, ...]) -> Jet:
    """Derivatives by complex steps, and differences of them."""

    def gradient(y: tuple[Array, ...], size: int) -> list[Array]:
        return [np.imag(loss(_moved(y, j, 1j * _TINY))) / _TINY for j in range(size)]

    here = np.asarray(loss(y), dtype=float)
    shape = np.shape(here)
    slopes = tuple(np.broadcast_to(g, shape) for g in gradient(y, len(y)))
    hessian: dict[tuple[int, int], Array] = {}
    for k in range(len(y)):
        step = _step(y[k], here, slopes[k])
        up, down = (gradient(_moved(y, k, s), k + 1) for s in (step, -step))
        for j in range(k + 1):
            hessian[j, k] = np.broadcast_to((up[j] - down[j]) / (2 * step), shape)
    return Jet(here, slopes, hessian)


def _step(y: Array, value: Array, slope: Array) -> Array:
    """How far to move an inner variable for second differences, one step a point.

    _STEP of the variable or of 1, or less where so much would change the law by more than _STEP of
    itself: coefficients of x^3 are of a size of their own.
    """
    with np.errstate(all="ignore"):  # a value that isn't finite is refused by whoever asked for it
        size, change = (np.sqrt((v**2).mean(axis=-1, keepdims=True)) for v in (value, slope))
        own = np.where((change > 0) & np.isfinite(change), size / change, np.inf)
    return np.asarray(_STEP * np.minimum(1.0 + np.abs(y), own))


def _moved(y: tuple[Any, ...], j: int, step: Any) -> tuple[Any, ...]:
    return (*y[:j], y[j] + step, *y[j + 1 :])


def grid_of(param: Param, x: Values) -> Array:
    """Values of a parameter to start from, given the variables x."""
    grid = np.array(param.grid or (1.0,))
    if not param.along:
        return grid
    logs = np.log(x[param.along])
    return np.asarray(np.exp(logs.mean() + grid * max(float(logs.std()), 1e-3)))


def seeds_of(law: Law) -> Seeds:
    """The law's own seeds, or a grid over every parameter that is not linear."""
    if law.seeds is not None:
        return law.seeds
    outer_names = [name for name in law.params if name not in law.linear]

    def outer(x: Values, loss: Array) -> dict[str, Array]:
        return {name: grid_of(law.params[name], x) for name in outer_names}

    def linearise(x: Values, loss: Array, values: Values) -> Linear:
        zero = dict.fromkeys(law.linear, 0.0)
        offset = law.predict(**x, **values, **zero)
        columns = [
            law.predict(**x, **values, **{**zero, name: 1.0}) - offset for name in law.linear
        ]
        shape = np.broadcast_shapes(*(np.shape(c) for c in columns), np.shape(offset), loss.shape)
        basis = np.empty((*shape, len(columns)))
        for j, column in enumerate(columns):
            basis[..., j] = column
        return Linear(basis, loss - offset, loss)

    def assemble(values: Values, coefficients: Array) -> dict[str, Any]:
        return {**values, **{name: coefficients[..., j] for j, name in enumerate(law.linear)}}

    return Seeds(outer, linearise, assemble)
