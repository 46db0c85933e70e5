"""The z-loss is trained on and never reported; it keeps the sum of exp(logits) near 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scaling.data import Corpus
from scaling.errors import InputError
from scaling.grid import CHUNK_STEPS, Cell, Recipe, parse_grid
from scaling.train.classify import Task as Classify
from scaling.train.schedule import rates
from scaling.train.step import Program
from scaling.train.tasks import feed_of

GRID = """\
name = "tiny"

[model]
family = "coca"

[[pilots]]
widths = [16]
images = [1e4]
"""


class Logits:
    """A model whose logits are its parameters: one row for every image."""

    def apply(self, variables: Any, images: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        return jnp.tile(variables["params"], (len(images), 1)), {}


def with_weight(cell: Cell, weight: float | None) -> Cell:
    return replace(cell, recipe=cell.recipe.model_copy(update={"z_loss": weight}))


def trained(cell: Cell, corpus: Corpus) -> tuple[float, float]:
    """The reported loss of the first step, and the mean of log(Z)^2 after 64 of them."""
    program, feed = Program(cell.family, cell.shape, cell.recipe), feed_of(cell, corpus)
    state, first = program.init(jax.random.key(0)), float("nan")
    for at in range(0, 4 * CHUNK_STEPS, CHUNK_STEPS):
        peak = rates(at, CHUNK_STEPS, peak=0.05, warmup=4, cool_from=None, cool_steps=0)
        picks, noise = feed.picks(at, CHUNK_STEPS), np.arange(CHUNK_STEPS, dtype=np.uint32)
        state, told = program.chunk(state, feed.arrays, picks, peak, noise)
        if at == 0:
            first = float(jax.tree.leaves(told)[0][0])
    starts = next(iter(feed.held_out()))[0]
    window = feed.held_out_arrays[starts[:, None] + np.arange(cell.shape.context)]
    logits = program.model.apply({"params": state.params}, window.astype(np.int32))
    return first, float((jax.nn.logsumexp(logits, -1) ** 2).mean())


def test_it_keeps_log_z_near_0_and_out_of_the_reported_loss(cell: Cell, corpus: Corpus) -> None:
    first, free = trained(with_weight(cell, None), corpus)
    same, held = trained(with_weight(cell, 1.0), corpus)
    assert first == same == pytest.approx(np.log(corpus.vocab), rel=1e-5)  # logits of 0 at first
    assert held < 0.3 * free


@pytest.mark.parametrize("weight", [None, 0.25])
def test_a_classifier_has_the_penalty_of_its_definition(weight: float | None) -> None:
    logits = jnp.array([1.0, -2.0, 3.0])
    arrays = {
        "images": jnp.zeros((4, 2, 2, 1), jnp.uint8),
        "labels": jnp.array([0, 1, 2, 2]),
        "mean": jnp.zeros(1),
        "std": jnp.ones(1),
    }
    task = Classify(Logits(), None, Recipe(z_loss=weight))
    told = task.loss({"params": logits}, arrays, jnp.arange(4), jax.random.key(0))
    log_z = np.log(np.exp(np.array([1.0, -2.0, 3.0])).sum())
    assert float(told.loss) == pytest.approx(log_z - (1 - 2 + 3 + 3) / 4, rel=1e-6)
    penalties = jax.tree.leaves(told.changed.get("losses", {}))
    if weight is None:
        assert not penalties
    else:
        assert float(penalties[0]) == pytest.approx(0.25 * log_z**2, rel=1e-6)


def test_image_text_pairs_refuse_it_by_line() -> None:
    parse_grid(GRID)
    with pytest.raises(InputError, match=r"g\.toml:9: pilots\.train\.z_loss: of coca"):
        parse_grid(GRID + "train = { z_loss = 1e-4 }\n", "g.toml")
    with pytest.raises(InputError, match=r"g\.toml:11: train\.z_loss: of coca, which trains on p"):
        parse_grid(GRID + "[train]\n\nz_loss = 1e-4\n", "g.toml")
