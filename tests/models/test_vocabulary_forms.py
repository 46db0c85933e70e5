"""The forms for GPUs give what JAX's own give, forward and backward."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scaling.models import vocabulary
from scaling.models.product import product

ROWS, W = 37, 5


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_plain", lambda: False)


@pytest.mark.parametrize("few", [ROWS, 0])
@pytest.mark.parametrize("trailing", [(W,), (2, 3)])
def test_rows_and_their_sums(
    monkeypatch: pytest.MonkeyPatch, few: int, trailing: tuple[int, ...]
) -> None:
    monkeypatch.setattr(vocabulary, "FEW", few)
    table = jax.random.normal(jax.random.key(0), (ROWS, *trailing))
    # Rows that are read often, once and never.
    index = jnp.array([[3, 3, 36], [0, 3, 12], [36, 3, 3]])
    weight = jax.random.normal(jax.random.key(1), (*index.shape, *trailing))

    def total(read: Any) -> Any:
        return lambda table: (weight * read(table, index)).sum()

    np.testing.assert_array_equal(vocabulary.rows(table, index), table[index])
    by_table = jax.grad(total(vocabulary.rows))(table)
    right = jax.grad(total(lambda table, index: table[index]))(table)
    np.testing.assert_allclose(by_table, right, atol=1e-6)
    many = jax.vmap(jax.grad(total(vocabulary.rows)))(jnp.stack([table, 2 * table]))
    np.testing.assert_allclose(many[1], right, atol=1e-6)  # a cohort's runs


def test_logits_of_filled_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "MANY", 10)
    asked = []

    def recorded(x: Any, w: Any) -> Any:
        asked.append(w.shape)
        return product(x, w)

    x = jax.random.normal(jax.random.key(0), (2, 3, W))
    head = jax.random.normal(jax.random.key(1), (W, ROWS))

    def total(logits: Any) -> Any:
        return lambda x, head: jax.nn.logsumexp(logits(x, head), -1).sum()

    np.testing.assert_allclose(vocabulary.logits(recorded, x, head), x @ head, atol=1e-5)
    assert asked == [(W, 64)]
    ours = jax.grad(total(lambda *a: vocabulary.logits(product, *a)), (0, 1))(x, head)
    for found, right in zip(ours, jax.grad(total(jnp.matmul), (0, 1))(x, head), strict=True):
        np.testing.assert_allclose(found, right, atol=1e-5)


@pytest.mark.parametrize("vocab", [64, 102])
def test_whole_or_few_columns_stay(vocab: int) -> None:
    x, head = jnp.ones((1, W)), jnp.ones((W, vocab))
    assert vocabulary.logits(lambda x, w: w, x, head) is head
