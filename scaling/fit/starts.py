"""Starts that find the global optimum: separable seeds.

Most laws are linear in their amplitudes given a few exponents. So a grid over the exponents, with
the best amplitudes at each grid point from a bounded linear solve, covers the whole parameter space
cheaply; the grid's local minima then go to an engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scaling.fit.build import Coordinates
from scaling.fit.linear import bounded
from scaling.fit.problem import Array, Index, Problem
from scaling.laws.generic import seeds_of

_BLOCK = 16_000  # grid points x rows worked on at once: they stay in cache
_MOST = 12_000  # grid points; a larger grid (many exponents) is sampled
_APART = 0.12  # of an axis: how far apart a sample's starts lie at least

Data = tuple[Problem, Coordinates, Mapping[str, Array], Array]  # problem, its map, x, loss


class _Grid(NamedTuple):
    """Points of the seed grid in order, and which of its axes' values each has."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    at: Index  # [points, axes]
    values: tuple[Array, ...]  # of the axes

    @property
    def whole(self) -> bool:
        return len(self.at) == int(np.prod(self.shape, dtype=int))


def starts(
    data: Data,
    fixed: Mapping[str, float],
    count: int = 16,
    parts: Sequence[Data] = (),
) -> Array:
    """The best local minima of the seed grid, at most `count` of them: [<= count, p].

    parts: for a fit over groups, the problem of each group alone.
    """
    problem, coordinates, x, loss = data
    grid = _grid(coordinates, x, loss, fixed)
    if not parts:
        points, values = _search(data, grid, fixed)
    else:
        # Axes are the same for all groups. Where an exponent is a group's own the grid still moves
        # all of them together, and the engine takes them apart.
        found = [_search(part, grid, fixed) for part in parts]
        own = [
            coordinates.encode(part[1].decode(points))
            for part, (points, _) in zip(parts, found, strict=True)
        ]
        points = coordinates.join(np.stack(own))
        values = np.sum([v for _, v in found], axis=0)
    chosen = _minima(grid, values, count) if grid.whole else _spread(grid, values, count)
    chosen = [i for i in chosen if np.isfinite(values[i])] or chosen
    return np.clip(points[chosen], problem.lower, problem.upper)


def _grid(
    coordinates: Coordinates, x: Mapping[str, Array], loss: Array, fixed: Mapping[str, float]
) -> _Grid:
    outer = seeds_of(coordinates.law).outer(x, loss)
    axes = {name: np.array([fixed[name]]) if name in fixed else v for name, v in outer.items()}
    shape = tuple(len(axis) for axis in axes.values())
    total = int(np.prod(shape, dtype=int))
    index = np.arange(total)
    if total > _MOST:
        index = np.sort(np.random.default_rng(0).choice(total, _MOST, replace=False))
    at = np.stack(np.unravel_index(index, shape), axis=1) if shape else np.zeros((1, 0), np.intp)
    return _Grid(tuple(axes), shape, at, tuple(axes.values()))


def _search(data: Data, grid: _Grid, fixed: Mapping[str, float]) -> tuple[Array, Array]:
    """Each grid point with its best amplitudes: coordinates [points, p] and objective [points]."""
    problem, coordinates, x, loss = data
    law = coordinates.law
    seeds = seeds_of(law)
    free = [law.params[n].lower < 0 for n in law.linear] if law.seeds is None else []
    step = max(1, _BLOCK // len(loss))
    points, values = [], []
    for i in range(0, len(grid.at), step):
        at = grid.at[i : i + step]
        outer = {name: grid.values[j][at[:, j]][:, None] for j, name in enumerate(grid.names)}
        inner = seeds.linearise(x, loss, outer)
        with np.errstate(all="ignore"):  # far corners of a grid may overflow: never the best
            basis = inner.basis / inner.scale[..., None]
            full = (len(at), len(loss))
            basis = _finite(np.broadcast_to(basis, (*full, basis.shape[-1])))
            target = _finite(np.broadcast_to(inner.target / inner.scale, full))
        amplitudes = bounded(basis, target, free)
        # zero is not on a log scale: a thousandth of a typical loss stands in for it
        typical = np.ones(len(loss)) @ np.abs(basis) / len(loss)
        least = 1e-3 / np.maximum(typical, 1e-300)
        amplitudes = np.where(np.array(free or False), amplitudes, np.maximum(amplitudes, least))
        params = seeds.assemble({name: v[:, 0] for name, v in outer.items()}, amplitudes) | {
            name: np.full(len(at), value) for name, value in fixed.items()
        }
        with np.errstate(all="ignore"):
            u = np.clip(coordinates.encode(params), problem.lower, problem.upper)
            value = problem.value(u, problem.weights[None])
        points.append(u)
        values.append(np.where(np.isfinite(value), value, np.inf))
    return np.concatenate(points), np.concatenate(values)


def _finite(values: Array) -> Array:
    return values if np.isfinite(values).all() else np.nan_to_num(values)


def _minima(grid: _Grid, values: Array, count: int) -> list[int]:
    """Half of the starts from the grid's local minima, the other half simply its best points."""
    order = np.argsort(values, kind="stable")
    table = values.reshape(grid.shape)
    from scipy.ndimage import minimum_filter  # late: a third of what a command's start takes

    low = (table <= minimum_filter(table, size=3, mode="nearest")).ravel()
    basins = [int(i) for i in order if low[i]][: count // 2]
    rest = [int(i) for i in order if i not in basins][: count - len(basins)]
    return basins + rest


def _spread(grid: _Grid, values: Array, count: int) -> list[int]:
    """The best points of a sampled grid, no two of them close to each other."""
    place = grid.at / np.maximum(np.array(grid.shape) - 1, 1)
    chosen: list[int] = []
    for i in np.argsort(values, kind="stable"):
        if all(np.abs(place[i] - place[j]).max() >= _APART for j in chosen):
            chosen.append(int(i))
        if len(chosen) == count:
            break
    return chosen
