"""Our max pooling is JAX's, gradients included, ties too."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from scaling.models import pooling


@pytest.mark.parametrize(
    ("side", "window", "stride", "padding"),
    [
        (8, 2, 2, 0),
        (7, 2, 2, 0),
        (7, 3, 2, 0),
        (8, 3, 2, 1),
        (9, 3, 3, 0),
        (5, 3, 1, 1),
        (9, 2, 3, 0),
    ],
)
def test_value_and_gradient_are_those_of_the_plain_pooling(
    side: int, window: int, stride: int, padding: int
) -> None:
    draw = np.random.default_rng(side).integers
    # Small whole numbers: many windows have ties.
    x = draw(-2, 3, (3, side, side, 4)).astype(np.float32)
    plain, by_plain = jax.vjp(lambda x: pooling.plain_max_pool(x, window, stride, padding), x)
    ours, by_ours = jax.vjp(lambda x: pooling._compared(x, window, stride, padding), x)
    by_largest = draw(-9, 10, plain.shape).astype(np.float32)
    np.testing.assert_array_equal(ours, plain)
    np.testing.assert_array_equal(by_ours(by_largest)[0], by_plain(by_largest)[0])
