"""Image-text models: both losses, retrieval and zero-shot answers on pairs that can be learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from scaling import families
from scaling.data import Images, Pairs
from scaling.grid import CHUNK_STEPS, Cell, Recipe
from scaling.train.contrast import _caption, _contrastive
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome

CLASSES = 3


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """Bright corners, and captions of two words: one of two templates, and the class."""
    rng = np.random.default_rng(0)

    def part(n: int) -> tuple[Any, Any]:
        labels = rng.integers(0, CLASSES, n).astype(np.int32)
        pixels = rng.integers(0, 100, (n, 8, 8, 1))
        for i, label in enumerate(labels):
            row, column = divmod(int(label), 2)
            pixels[i, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 100
        return pixels.astype(np.uint8), labels

    train, held_out = part(256), part(96)
    images = Images(*train, *held_out, ("a", "b", "c"), (0.25,), (0.2,), "squares", "squares", {})
    # 0 pad, 1 begin, 2 end, 3 and 4 the templates, 5 to 7 the classes.
    prompts = np.array([[[1, 3, 5 + c, 2, 0], [1, 4, 5 + c, 2, 0]] for c in range(CLASSES)])
    rows = [2 * labels + rng.integers(0, 2, len(labels)) for labels in (train[1], held_out[1])]
    return Pairs(
        images,
        prompts.reshape(-1, 5).astype(np.int32),
        *(row.astype(np.int32) for row in rows),
        prompts.astype(np.int32),
        8,
        "squares",
        {},
        "",
    )


def cell_of(pairs: Pairs) -> Cell:
    dims = pairs.dims()
    return Cell(
        role="pilot",
        family="coca",
        shape=families.get("coca").from_dials(**dims, width=16, depth=1, patch=4),
        recipe=Recipe(learning_rate=0.003, base_width=16, batch_images=32, warmup_steps=4),
        steps=24 * CHUNK_STEPS,
        seed=1,
        data=pairs.fingerprint,
        D_unique=256,
        evaluate=96,
    )


def test_a_contrastive_captioner_learns_and_answers_by_prompt(pairs: Pairs, tmp_path: Path) -> None:
    found: list[Outcome] = []
    cell = cell_of(pairs)
    train_trunk(
        [cell], pairs, checkpoint_path=tmp_path / "a.npz", on_cell=lambda _, o: found.append(o)
    )
    (outcome,) = found
    assert outcome.status == "finished"
    told = outcome.metrics
    assert outcome.loss == pytest.approx(told["contrastive_loss"] + 2 * told["caption_loss"])
    # Which template a caption has cannot be seen: ln 2 in one of its three tokens.
    assert np.log(2) / 3 - 0.02 < told["caption_loss"] < 0.65
    assert told["zero_shot_top1_error"] < 0.25
    assert told["zero_shot_top5_error"] == 0.0
    assert told["recall_at_1"] > 0.75
    assert told["recall_at_5"] >= told["recall_at_1"]
    assert cell.facts()["D_kind"] == "pairs"


def test_pairs_of_one_group_are_positives_of_each_other() -> None:
    image = jnp.eye(4)
    out = {"image": image, "text": image[jnp.array([1, 0, 2, 3])], "temperature": jnp.array(0.05)}
    # Images 0 and 1 match each other's texts: wrong if each is its own group, right as one group.
    apart = _contrastive(out, jnp.array([0, 1, 2, 3]))
    together = _contrastive(out, jnp.array([0, 0, 2, 3]))
    assert apart[0] > 15
    assert together[0] == pytest.approx(10, abs=0.1)  # half of its share lies on the far one
    assert together[2] == pytest.approx(0, abs=1e-6)
    # Alike embeddings in one group: the least that is left is ln 2, between the two.
    same = {**out, "image": image[jnp.array([0, 0, 2, 3])], "text": image[jnp.array([0, 0, 2, 3])]}
    assert _contrastive(same, jnp.array([0, 0, 2, 3]))[0] == pytest.approx(np.log(2), abs=1e-5)


def test_padding_is_not_predicted() -> None:
    captions = jnp.array([[1, 3, 2, 0, 0]])
    logits = jnp.zeros((1, 5, 8)).at[0, 0, 3].set(50.0).at[0, 2].set(jnp.arange(8.0))
    # The first prediction is sure and right, the second a uniform guess; the rest don't count.
    assert _caption(logits, captions)[0] == pytest.approx(np.log(8) / 2, abs=1e-5)
