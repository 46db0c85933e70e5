"""Starts that find the global optimum: separable seeds.

Most laws are linear in their amplitudes given a few exponents. So a grid over the exponents, with
the best amplitudes at each grid point from a bounded linear solve, covers the whole parameter space
cheaply; the grid's local minima then go to an engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from scipy.ndimage import minimum_filter

from scaling.fit.build import Coordinates
from scaling.fit.problem import Array, Problem
from scaling.laws.generic import seeds_of

_BLOCK = 1_000_000  # grid points x rows worked on at once: some tens of MB


def starts(
    problem: Problem,
    coordinates: Coordinates,
    x: Mapping[str, Array],
    loss: Array,
    fixed: Mapping[str, float],
    count: int = 16,
) -> Array:
    """The best local minima of the seed grid, at most `count` of them, best first: [<= count,
    p]."""
    seeds = seeds_of(coordinates.law)
    axes = seeds.outer(loss) | {
        name: np.array([fixed[name]]) for name in seeds.outer(loss) if name in fixed
    }
    shape = tuple(len(axis) for axis in axes.values())
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    grid = {name: m.ravel()[:, None] for name, m in zip(axes, mesh, strict=True)}
    total = int(np.prod(shape, dtype=int))
    step = max(1, _BLOCK // len(loss))
    points, values = [], []
    for i in range(0, total, step):
        outer = {name: v[i : i + step] for name, v in grid.items()}
        inner = seeds.linearise(x, loss, outer)
        basis = inner.basis / inner.scale[..., None]
        full = (min(step, total - i), len(loss))
        basis = np.broadcast_to(basis, (*full, basis.shape[-1]))
        target = np.broadcast_to(inner.target / inner.scale, full)
        amplitudes = nonnegative(basis, target)
        # zero is not on a log scale: a thousandth of a typical loss stands in for it
        least = 1e-3 / np.maximum(np.abs(basis).mean(axis=1), 1e-300)
        values_of = {name: v[:, 0] for name, v in outer.items()}
        params = seeds.assemble(values_of, np.maximum(amplitudes, least)) | {
            name: np.full(full[0], value) for name, value in fixed.items()
        }
        u = np.clip(coordinates.encode(params), problem.lower, problem.upper)
        with np.errstate(all="ignore"):
            value = problem.value(u, np.ones((1, problem.rows)))
        points.append(u)
        values.append(np.where(np.isfinite(value), value, np.inf))
    return _best(np.concatenate(points), np.concatenate(values).reshape(shape), count)


def _best(points: Array, values: Array, count: int) -> Array:
    """Half of the starts from the grid's local minima, the other half simply its best points."""
    flat = values.ravel()
    order = np.argsort(flat, kind="stable")
    minima = (values <= minimum_filter(values, size=3, mode="nearest")).ravel()
    basins = [i for i in order if minima[i]][: count // 2]
    rest = [i for i in order if i not in basins][: count - len(basins)]
    return points[basins + rest]


def nonnegative(basis: Array, target: Array) -> Array:
    """Batched least squares with coefficients >= 0: basis [g, n, m], target [g, n] -> [g, m].

    m is at most a handful, so every set of active columns is solved and the best feasible one kept:
    exact, and one array program for the whole grid.
    """
    g, _, m = basis.shape
    scale = np.maximum(np.sqrt((basis**2).sum(axis=1)), 1e-300)
    unit = basis / scale[:, None, :]
    gram = unit.transpose(0, 2, 1) @ unit
    right = (unit.transpose(0, 2, 1) @ target[..., None])[..., 0]
    best = np.zeros((g, m))
    gain = np.zeros(g)
    for active in _subsets(m):
        square = gram[:, active][:, :, active] + 1e-13 * np.eye(len(active))
        c = np.linalg.solve(square, right[:, active, None])[..., 0]
        explained = (c * right[:, active]).sum(axis=-1)
        wins = (c >= 0).all(axis=-1) & (explained > gain)
        candidate = np.zeros((g, m))
        candidate[:, active] = c
        best = np.where(wins[:, None], candidate, best)
        gain = np.where(wins, explained, gain)
    return np.asarray(best / scale)


def _subsets(m: int) -> Iterator[list[int]]:
    for size in range(1, m + 1):
        for subset in combinations(range(m), size):
            yield list(subset)
