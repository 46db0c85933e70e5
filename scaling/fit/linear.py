"""Bounded linear least squares, many problems at once: the inside of separable fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from scaling.fit.problem import Array


def bounded(basis: Array, target: Array, free: Sequence[bool] = ()) -> Array:
    """Batched least squares, coefficients >= 0 but for `free` ones: basis [g, n, m], target [g, n]
    -> [g, m].

    m is at most a handful, so every set of active columns is solved and the best feasible one kept:
    exact, and one array program for the whole grid.
    """
    g, _, m = basis.shape
    unsigned = np.array(free or (False,) * m, dtype=bool)
    across = np.ascontiguousarray(basis.transpose(0, 2, 1))  # sums over the last axis are fast
    scale = np.maximum(np.sqrt((across**2).sum(axis=2)), 1e-300)
    unit = across / scale[:, :, None]
    gram = unit @ unit.transpose(0, 2, 1)
    right = (unit @ target[..., None])[..., 0]
    best = np.zeros((g, m))
    gain = np.zeros(g)
    for active in _subsets(unsigned):
        square = gram[:, active][:, :, active] + 1e-13 * np.eye(len(active))
        c = np.linalg.solve(square, right[:, active, None])[..., 0]
        explained = (c * right[:, active]).sum(axis=-1)
        wins = ((c >= 0) | unsigned[active]).all(axis=-1) & (explained > gain)
        candidate = np.zeros((g, m))
        candidate[:, active] = c
        best = np.where(wins[:, None], candidate, best)
        gain = np.where(wins, explained, gain)
    return np.asarray(best / scale)


def _subsets(unsigned: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[list[int]]:
    """Sets of columns that may be active: the unsigned ones always are."""
    always = np.flatnonzero(unsigned).tolist()
    signed = np.flatnonzero(~unsigned).tolist()
    for size in range(0 if always else 1, len(signed) + 1):
        for subset in combinations(signed, size):
            yield sorted([*always, *subset])
