"""Roots and minima of smooth functions of one number, many at a time, to the last digits; and a
predictor without its draws, to search with.

A minimum is looked for as the root of the slope: by values alone half of the digits would be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scaling.fit.result import Fit
from scaling.forecast.further.given import Given
from scaling.forecast.predictor import Predictor
from scaling.forecast.published import PublishedLaw
from scaling.forecast.rollouts.calibrated import Calibrated

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

_STEPS = 200  # false position halves at worst every second step
_STENCIL = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
_WEIGHTS = np.array([-1.0, 9.0, -45.0, 45.0, -9.0, 1.0]) / 60  # of a slope, to the sixth order
_H = 1e-3
_SCAN = 256
_ZOOM = 3  # times that a scan is made finer around its best


def root(fun: Function, low: Array, high: Array) -> Array:
    """Where `fun` is 0 between low and high, at which its signs differ; each [...].

    False position, weighted so that neither end is stuck (Illinois).
    """
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    f_low, f_high = fun(low), fun(high)
    middle = low
    for _ in range(_STEPS):
        width = f_high - f_low
        with np.errstate(divide="ignore", invalid="ignore"):  # both ends are found where it is 0
            step = np.where(width != 0, f_high * (high - low) / width, 0.0)
        before, middle = middle, high - step
        value = fun(middle)
        crossed = np.sign(value) != np.sign(f_high)
        low, f_low = np.where(crossed, high, low), np.where(crossed, f_high, 0.5 * f_low)
        high, f_high = middle, value
        if np.all((value == 0) | (np.abs(middle - before) <= 1e-15 * np.abs(middle))):
            break
    return middle


def least(fun: Function, low: float, high: float) -> float:
    """Where `fun`, smooth around its minimum, is least between low and high; an end where the
    minimum is there. Values may be infinite away from the minimum."""
    x = np.linspace(low, high, _SCAN)
    for _ in range(_ZOOM):
        value = fun(x)
        at = int(np.nanargmin(np.where(np.isnan(value), np.inf, value)))
        if at in (0, len(x) - 1):
            return float(x[at])
        below, above = float(x[at - 1]), float(x[at + 1])
        if not np.isfinite(value[[at - 1, at + 1]]).all():
            best = float(x[at])  # next to what is out of reach there is no slope to follow
        elif above - below < 0.1:
            return float(root(lambda z: _slope(fun, z), np.array([below]), np.array([above]))[0])
        x = np.linspace(below, above, 33)
    return best


def lowest(x: Array, value: Array) -> tuple[Array, Array]:
    """Where rows of values [..., points] on an even grid x are least, and the value there: by the
    parabola through the lowest point and its neighbours; at an end, that end."""
    at = np.argmin(value, axis=-1)
    inner = np.clip(at, 1, len(x) - 2)[..., None]
    left, middle, right = (
        np.take_along_axis(value, inner + k, axis=-1)[..., 0] for k in (-1, 0, 1)
    )
    with np.errstate(invalid="ignore"):  # a neighbour may be out of reach, and so infinite
        bend = left - 2 * middle + right
        offset = np.where(np.isfinite(bend) & (bend > 0), (left - right) / (2 * bend), 0.0)
        bottom = np.where(offset != 0, middle - 0.25 * (left - right) * offset, middle)
    place = x[inner[..., 0]] + offset * (x[1] - x[0])
    place = np.where(at == inner[..., 0], place, x[at])
    return place, np.minimum(bottom, value.min(axis=-1))


def bare(predictor: Predictor) -> Predictor:
    """The same point predictions without draws, where a predictor is of a kind that can do so."""
    if isinstance(predictor, PublishedLaw):
        return predictor
    if isinstance(predictor, Fit):
        return replace(predictor, draws=predictor.draws[:0])
    if isinstance(predictor, Given):
        base = predictor.base
        less = replace(base, draws=base.draws[:0]) if isinstance(base, Fit) else base
        return replace(predictor, base=less)
    if isinstance(predictor, Calibrated):
        return bare(predictor.predictor)
    # Late: these two need pandas, which laws and saved fits do without.
    from scaling.forecast.averaged import Averaged
    from scaling.forecast.isoflop.model import IsoFlop

    if isinstance(predictor, Averaged):
        return replace(predictor, members=[bare(member) for member in predictor.members])
    if isinstance(predictor, IsoFlop):
        optima, frontier = (
            replace(path, draws=path.draws[:0], scatter=path.scatter[:0])
            for path in (predictor.optima, predictor.frontier)
        )
        return replace(predictor, optima=optima, frontier=frontier, shapes=predictor.shapes[:0])
    return predictor


def _slope(fun: Function, x: Array) -> Array:
    return np.asarray((fun(x[..., None] + _H * _STENCIL) * _WEIGHTS).sum(axis=-1) / _H)
