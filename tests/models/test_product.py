"""Our matrix product is `x @ w`, its gradients included."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from scaling.models.product import product


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
def test_value_and_gradients_equal_those_of_the_plain_product(shape: tuple[int, ...]) -> None:
    x = jax.random.normal(jax.random.key(0), shape)
    w = jax.random.normal(jax.random.key(1), (5, 7))

    def ours(x: jax.Array, w: jax.Array) -> jax.Array:
        return (product(x, w) ** 3).sum()

    def plain(x: jax.Array, w: jax.Array) -> jax.Array:
        return ((x @ w) ** 3).sum()

    np.testing.assert_allclose(product(x, w), x @ w, rtol=1e-6)
    for mine, theirs in zip(
        jax.grad(ours, (0, 1))(x, w), jax.grad(plain, (0, 1))(x, w), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-5)
