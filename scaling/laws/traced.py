"""Arrays of another library, such as JAX's, that NumPy's functions take: laws are written once.

Every law is NumPy's functions on its arguments. Given `Traced` ones they call the functions of the
same names of the array's own namespace (the array API standard's `__array_namespace__`), so that a
law is traced, compiled and differentiated there without a second copy of it. A function that is not
known there is a TypeError.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class Traced(NDArrayOperatorsMixin):
    """An array of any library; `value` is that array."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def __getitem__(self, where: Any) -> Traced:
        return Traced(self.value[where])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        own = getattr(self.value.__array_namespace__(), ufunc.__name__, None)
        if method != "__call__" or kwargs or own is None:
            return NotImplemented
        return Traced(own(*map(_value, inputs)))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        own = getattr(self.value.__array_namespace__(), func.__name__, None)
        if own is None:
            return NotImplemented
        return Traced(own(*map(_value, args), **{k: _value(v) for k, v in kwargs.items()}))


def _value(v: Any) -> Any:
    if isinstance(v, list | tuple):
        return type(v)(map(_value, v))
    return v.value if isinstance(v, Traced) else v
