"""The logits of labels, in the form for GPUs and in the other: the same values and gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scaling.train.next_token import of_labels


def test_a_sum_over_the_vocabulary_is_a_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = jax.random.normal(jax.random.key(0), (2, 3, 7))
    labels = jnp.array([[0, 6, 3], [3, 3, 1]])

    def total(logits: Any) -> Any:
        return jnp.sin(of_labels(logits, labels)).sum()

    looked_up = jax.value_and_grad(total)(logits)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    summed = jax.value_and_grad(total)(logits)
    for a, b in zip(jax.tree.leaves(looked_up), jax.tree.leaves(summed), strict=True):
        np.testing.assert_array_equal(a, b)
