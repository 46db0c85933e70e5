"""Numbers that carry their first and second derivatives: exact Hessians of any law's `predict`.

A Dual is a value with its derivatives by a few inner variables, kept sparse: a term of two
parameters costs the arithmetic of two, however many the law has. NumPy's functions work on it as
they do on arrays (its protocols for ufuncs and `where`); one that is not known here is a TypeError,
and the caller differentiates another way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

First = dict[int, Any]  # by inner variable
Second = dict[tuple[int, int], Any]  # by pairs j <= k

_LN10, _LN2 = float(np.log(10.0)), float(np.log(2.0))


class Dual(NDArrayOperatorsMixin):
    """A value, its derivatives by y_j in `first` and by y_j, y_k in `second`; absent where 0."""

    def __init__(self, value: Any, first: First, second: Second | None = None) -> None:
        self.value = value
        self.first = first
        self.second = second or {}

    def chain(self, value: Any, slope: Any, curvature: Any) -> Dual:
        """f(self) from f, f' and f'' there."""
        first = {j: slope * g for j, g in self.first.items()}
        second = {pair: slope * h for pair, h in self.second.items()}
        for pair in _pairs(self.first):
            bend = curvature * self.first[pair[0]] * self.first[pair[1]]
            second[pair] = second[pair] + bend if pair in second else bend
        return Dual(value, first, second)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            return NotImplemented
        if ufunc in _COMPARISONS:
            return ufunc(*(value_of(v) for v in inputs))
        if ufunc in _UNARY:
            return self.chain(*_UNARY[ufunc](self.value))
        if ufunc in _BINARY:
            return _BINARY[ufunc](*inputs)
        return NotImplemented

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.real:
            return value_of(args[0])
        if func is np.where and len(args) == 3:
            return _where(*args)
        return NotImplemented


def value_of(v: Any) -> Any:
    """A number without its derivatives."""
    return v.value if isinstance(v, Dual) else v


def _pairs(*firsts: Mapping[int, Any]) -> list[tuple[int, int]]:
    names = sorted({j for first in firsts for j in first})
    return [(j, k) for i, j in enumerate(names) for k in names[i:]]


def _parts(v: Any) -> tuple[Any, First, Second]:
    return (v.value, v.first, v.second) if isinstance(v, Dual) else (v, {}, {})


def _merged(a: Mapping[Any, Any], b: Mapping[Any, Any], sign: float = 1.0) -> dict[Any, Any]:
    found = dict(a)
    for key, value in b.items():
        own = value if sign == 1.0 else -value
        found[key] = found[key] + own if key in found else own
    return found


def _add(u: Any, v: Any) -> Dual:
    (a, a1, a2), (b, b1, b2) = _parts(u), _parts(v)
    return Dual(a + b, _merged(a1, b1), _merged(a2, b2))


def _subtract(u: Any, v: Any) -> Dual:
    (a, a1, a2), (b, b1, b2) = _parts(u), _parts(v)
    return Dual(a - b, _merged(a1, b1, -1.0), _merged(a2, b2, -1.0))


def _multiply(u: Any, v: Any) -> Dual:
    (a, a1, a2), (b, b1, b2) = _parts(u), _parts(v)
    first = _merged({j: b * g for j, g in a1.items()}, {j: a * g for j, g in b1.items()})
    second = _merged({p: b * h for p, h in a2.items()}, {p: a * h for p, h in b2.items()})
    for j, g in a1.items():
        for k, h in b1.items():
            pair = (min(j, k), max(j, k))
            both = 2 * g * h if j == k else g * h
            second[pair] = second[pair] + both if pair in second else both
    return Dual(a * b, first, second)


def _divide(u: Any, v: Any) -> Dual:
    if not isinstance(v, Dual):
        return _multiply(u, 1 / v)
    inverse = 1 / v.value
    return _multiply(u, v.chain(inverse, -(inverse**2), 2 * inverse**3))


def _power(u: Any, v: Any) -> Any:
    if not isinstance(v, Dual):
        # powers, not quotients: a square has derivatives at 0 too
        curvature = v * (v - 1) * u.value ** (v - 2.0)
        return u.chain(u.value**v, v * u.value ** (v - 1.0), curvature)
    if not isinstance(u, Dual):
        base = np.log(np.where(np.equal(u, 0), 1.0, u))  # 0 to a power above 0 stays 0
        value = u**v.value
        return v.chain(value, value * base, value * base**2)
    return np.exp(v * np.log(u))


def _where(condition: Any, u: Any, v: Any) -> Dual:
    (a, a1, a2), (b, b1, b2) = _parts(u), _parts(v)
    return Dual(
        np.where(condition, a, b),
        {j: np.where(condition, a1.get(j, 0.0), b1.get(j, 0.0)) for j in {**a1, **b1}},
        {p: np.where(condition, a2.get(p, 0.0), b2.get(p, 0.0)) for p in {**a2, **b2}},
    )


def _exp(a: Any) -> tuple[Any, Any, Any]:
    e = np.exp(a)
    return e, e, e


def _expm1(a: Any) -> tuple[Any, Any, Any]:
    e = np.exp(a)
    return np.expm1(a), e, e


def _log(scale: float) -> Callable[[Any], tuple[Any, Any, Any]]:
    return lambda a: (np.log(a) / scale, 1 / (scale * a), -1 / (scale * a**2))


def _log1p(a: Any) -> tuple[Any, Any, Any]:
    inverse = 1 / (1 + a)
    return np.log1p(a), inverse, -(inverse**2)


def _sqrt(a: Any) -> tuple[Any, Any, Any]:
    root = np.sqrt(a)
    return root, 0.5 / root, -0.25 / (a * root)


def _tanh(a: Any) -> tuple[Any, Any, Any]:
    t = np.tanh(a)
    return t, 1 - t**2, -2 * t * (1 - t**2)


_UNARY: Mapping[np.ufunc, Callable[[Any], tuple[Any, Any, Any]]] = {
    np.negative: lambda a: (-a, -1.0, 0.0),
    np.positive: lambda a: (a, 1.0, 0.0),
    np.square: lambda a: (a**2, 2 * a, 2.0),
    np.exp: _exp,
    np.expm1: _expm1,
    np.log: _log(1.0),
    np.log10: _log(_LN10),
    np.log2: _log(_LN2),
    np.log1p: _log1p,
    np.sqrt: _sqrt,
    np.tanh: _tanh,
}
_BINARY: Mapping[np.ufunc, Callable[[Any, Any], Any]] = {
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _multiply,
    np.true_divide: _divide,
    np.power: _power,
}
_COMPARISONS = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
