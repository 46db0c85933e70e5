"""Classifiers: what is measured, and that chunks, streams and resumed runs change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scaling import families
from scaling.data import EpochOrder, Images
from scaling.data.images import Batch
from scaling.grid import CHUNK_STEPS, Cell, Recipe
from scaling.train import schedule
from scaling.train.augment import augment
from scaling.train.classify import Resident, rank_of
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome
from scaling.train.step import Program

CLASSES = 3


@pytest.fixture(scope="module")
def images() -> Images:
    """Noisy squares: the label says which corner is bright."""
    rng = np.random.default_rng(0)

    def part(n: int) -> tuple[Any, Any]:
        labels = rng.integers(0, CLASSES, n).astype(np.int32)
        pixels = rng.integers(0, 120, (n, 8, 8, 1))
        for i, label in enumerate(labels):
            row, column = divmod(int(label), 2)
            pixels[i, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 60
        return pixels.astype(np.uint8), labels

    train, held_out = part(192), part(96)
    return Images(
        *train, *held_out, ("a", "b", "c"), (0.25,), (0.2,), "squares", "squares-1", {}
    )  # fmt: skip


class Stream:
    """The same images, as a stream: what a folder does, without files."""

    name, fingerprint, facts, classes = "squares", "squares-1", {}, ("a", "b", "c")
    mean, std = (0.25,), (0.2,)

    def __init__(self, images: Images) -> None:
        self.images = images
        self.n_train, self.n_held_out = images.n_train, images.n_held_out
        self.opened_at: list[int] = []

    def dims(self) -> dict[str, int]:
        return self.images.dims()

    def train_batches(
        self, *, unique: int, batch: int, seed: int, first_step: int
    ) -> Iterator[Batch]:
        self.opened_at.append(first_step)
        order = EpochOrder(unique, batch, seed)
        for at in range(first_step, 10**6):
            picks = order.picks(at, 1)[0]
            yield self.images.train[picks], self.images.train_labels[picks]

    def held_out_batches(self, batch: int) -> Iterator[Batch]:
        for at in range(0, self.n_held_out, batch):
            part = slice(at, at + batch)
            yield self.images.held_out[part], self.images.held_out_labels[part]


def cell_of(images: Images, family: str, recipe: dict[str, Any] | None = None) -> Cell:
    dials: dict[str, dict[str, Any]] = {
        "mlp": {"width": 8, "depth": 1},
        "resnet": {"width": 2, "depth": 8},
    }
    return Cell(
        role="pilot",
        family=family,
        shape=families.get(family).from_dials(**images.dims(), **dials[family]),
        recipe=Recipe(
            learning_rate=0.02, base_width=2, batch_images=16, warmup_steps=4, **recipe or {}
        ),
        steps=6 * CHUNK_STEPS,
        seed=3,
        data=images.fingerprint,
        D_unique=160,
        evaluate=90,
    )


def train(cells: list[Cell], data: Any, path: Path) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}
    train_trunk(
        cells,
        data,
        checkpoint_path=path,
        on_cell=lambda cell, outcome: outcomes.update({cell.steps: outcome}),
    )
    return outcomes


def test_a_classifier_learns_and_tells_its_errors(images: Images, tmp_path: Path) -> None:
    cell = cell_of(images, "mlp")
    outcome = train([cell], images, tmp_path / "a.npz")[cell.steps]
    assert outcome.status == "finished"
    assert outcome.loss < 0.5 * np.log(CLASSES)
    assert outcome.train_loss < outcome.loss + 0.2
    assert 0 <= outcome.metrics["top1_error"] < 0.3
    assert outcome.metrics["top5_error"] == 0.0  # of three classes
    assert 0 <= outcome.metrics["calibration_error"] <= 1


def test_the_training_loss_is_read_on_trained_images_of_every_class(images: Images) -> None:
    turns = replace(images, train_labels=np.arange(images.n_train, dtype=np.int32) % CLASSES)
    cell = replace(cell_of(images, "mlp"), D_unique=180, evaluate=240)
    read = np.concatenate([stack.ravel() for stack in Resident(cell, turns).sample()])
    assert len(set(read)) == 60
    assert set(read) <= set(EpochOrder(180, cell.batch, cell.seed).picks(0, 4).ravel())
    assert (np.bincount(turns.train_labels[read]) > 10).all()  # every third image would be of one


@pytest.mark.parametrize("family", ["mlp", "resnet"])
def test_branches_and_resumed_runs_are_the_undisturbed_ones(
    family: str, images: Images, tmp_path: Path
) -> None:
    cell = cell_of(images, family, {"augment": "shift-flip", "label_smoothing": 0.1})
    short = replace(cell, steps=3 * CHUNK_STEPS)
    whole = train([short, cell], images, tmp_path / "whole.npz")
    apart = train([cell], images, tmp_path / "apart.npz")[cell.steps]
    np.testing.assert_array_equal(apart.curve, whole[cell.steps].curve)
    path = tmp_path / "torn.npz"

    def stop(_: Cell, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_trunk([short, cell], images, checkpoint_path=path, on_cell=stop)
    resumed = train([cell], images, path)[cell.steps]
    assert resumed.loss == whole[cell.steps].loss
    assert resumed.metrics == whole[cell.steps].metrics
    np.testing.assert_array_equal(resumed.curve, whole[cell.steps].curve)


def test_a_stream_trains_as_the_same_images_in_memory_do(images: Images, tmp_path: Path) -> None:
    cell = cell_of(images, "mlp")
    cells = [replace(cell, steps=3 * CHUNK_STEPS, evaluate=96), replace(cell, evaluate=96)]
    stream = Stream(images)
    streamed = train(cells, stream, tmp_path / "stream.npz")
    resident = train(cells, images, tmp_path / "memory.npz")
    for steps, outcome in resident.items():
        assert streamed[steps].loss == pytest.approx(outcome.loss, rel=1e-4)
        np.testing.assert_allclose(streamed[steps].curve, outcome.curve, rtol=2e-3)
    # Opened anew only where a branch leaves the trunk, or the trunk goes on.
    assert len(stream.opened_at) <= 2 * len(cells) + len(cells)


@pytest.mark.parametrize("family", ["mlp", pytest.param("resnet", marks=pytest.mark.slow)])
def test_a_scan_and_single_steps_are_one_computation(family: str, images: Images) -> None:
    cell = cell_of(images, family)
    arrays = {
        "images": jnp.asarray(images.train), "labels": jnp.asarray(images.train_labels),
        "mean": jnp.asarray(images.mean), "std": jnp.asarray(images.std),
    }  # fmt: skip
    picks = EpochOrder(160, 16, 0).picks(0, CHUNK_STEPS)
    rates = np.full(CHUNK_STEPS, 1e-3, np.float32)
    noise = schedule.noise(0, 0, CHUNK_STEPS)
    found = {}
    for streamed in (False, True):
        program = Program(cell.family, cell.shape, cell.recipe, streamed=streamed)
        state, told = program.chunk(program.init(jax.random.key(0)), arrays, picks, rates, noise)
        measured = program.evaluate(state, arrays, [picks[:2]])
        found[streamed] = jax.device_get(told), measured["loss"]
    for name, scanned in found[False][0]._asdict().items():
        alone = getattr(found[True][0], name)
        np.testing.assert_allclose(scanned, alone, rtol=1e-3, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(found[False][1], found[True][1], rtol=1e-3)


def test_ties_count_against_the_label() -> None:
    logits = jnp.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [5.0, 2.0, 3.0]])
    assert rank_of(logits, jnp.array([1, 2, 1])).tolist() == [2, 0, 2]


def test_noise_is_of_seed_and_step_alone() -> None:
    whole = schedule.noise(3, 0, 64)
    np.testing.assert_array_equal(whole[16:48], schedule.noise(3, 16, 32))
    assert len(np.unique(whole)) == 64
    assert not np.intersect1d(whole, schedule.noise(4, 0, 64)).size


def test_augmented_images_are_shifted_or_mirrored_copies() -> None:
    image = jnp.arange(1.0, 65.0).reshape(1, 8, 8, 1)
    batch = jnp.repeat(image, 200, 0)
    moved = np.asarray(augment(batch, "shift-flip", jax.random.key(0)))
    padded = np.pad(np.asarray(image), ((0, 0), (1, 1), (1, 1), (0, 0)))
    corners = [padded[0, r : r + 8, c : c + 8] for r in range(3) for c in range(3)]
    allowed = {a.tobytes() for a in corners} | {a[:, ::-1].tobytes() for a in corners}
    found = {a.tobytes() for a in moved}
    assert found <= allowed
    assert len(found) == len(allowed)  # all of them come
    assert augment(batch, None, jax.random.key(0)) is batch
