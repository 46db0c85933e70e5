"""Separable seeds: the inner bounded linear solve is exact."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from scaling.fit.linear import bounded


def test_batched_nonnegative_least_squares_equals_scipys() -> None:
    generator = np.random.default_rng(0)
    basis = generator.normal(size=(200, 12, 3)) + 0.5
    target = generator.normal(size=(200, 12))
    ours = bounded(basis, target)
    theirs = np.array([nnls(b, t)[0] for b, t in zip(basis, target, strict=True)])
    assert (ours >= 0).all()
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert (ours == 0).any()
    assert (ours > 0).all(axis=1).any()
