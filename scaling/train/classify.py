"""Image classifiers: images that lie on the device or stream in, the label's cross-entropy."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from scaling.data import EpochOrder, Images, ImageStream
from scaling.grid import Cell, Recipe
from scaling.models.spread import by_example
from scaling.train import mesh, metrics
from scaling.train.augment import augment
from scaling.train.tasks import CHANGED, Measured, Told, Variables, whole_batches, with_z_loss

Array = jax.Array
EVAL_IMAGES = 250


class Task:
    """A pick is the numbers of a step's images on the device, or the images and labels."""

    def __init__(self, model: Any, shape: Any, recipe: Recipe) -> None:
        self.model, self.shape = model, shape
        self.augment, self.smoothing = recipe.augment, recipe.label_smoothing or 0.0
        self.z_loss = recipe.z_loss

    def example(self) -> tuple[Array, ...]:
        side = self.shape.image
        return (jnp.zeros((1, side, side, self.shape.channels)),)

    def loss(self, variables: Variables, arrays: Any, picks: Any, key: Array) -> Told:
        images, labels = _take(arrays, picks)
        for_shift, for_dropout = jax.random.split(key)
        logits, changed = self.model.apply(
            variables,
            augment(by_example(images), self.augment, for_shift),
            train=True,
            rngs={"dropout": for_dropout},
            mutable=CHANGED,
        )
        losses = _cross_entropy(logits, labels)
        if self.smoothing:
            uniform = jax.nn.logsumexp(logits, -1) - logits.mean(-1)
            losses = (1 - self.smoothing) * losses + self.smoothing * uniform
        log_z = jax.nn.logsumexp(logits, -1)
        return Told(losses.mean(), with_z_loss(changed, self.z_loss, log_z))

    def reference(self, variables: Variables, arrays: Any) -> Any:
        return ()

    def measure(
        self, variables: Variables, arrays: Any, picks: Any, reference: Any
    ) -> dict[str, Array]:
        images, labels = _take(arrays, picks)
        logits = self.model.apply(variables, by_example(images))
        return {
            "loss": _cross_entropy(logits, labels),
            "rank": rank_of(logits, labels),
            "confidence": jax.nn.softmax(logits).max(-1),
        }


def rank_of(logits: Array, labels: Array) -> Array:
    """How many other classes are at least as likely as each label: ties count against it."""
    own = jnp.take_along_axis(logits, labels[:, None], 1)
    return (logits >= own).sum(-1) - 1


def Feed(cell: Cell, data: Images | ImageStream, there: Any = None) -> Resident | Streamed:
    """Of images in memory, or of a stream."""
    return Resident(cell, data, there) if isinstance(data, Images) else Streamed(cell, data)


class Resident:
    """All images on the device."""

    streamed = False
    waited = 0.0

    def __init__(self, cell: Cell, data: Images, there: Any = None) -> None:
        self.uniform, self.classes = float(np.log(len(data.classes))), len(data.classes)
        self.order = EpochOrder(cell.D_unique, cell.batch, cell.seed)
        if there is None:
            scale = _scale(data)
            self.arrays = _on_device(data.train[: cell.D_unique], data.train_labels) | scale
            self.held_out_arrays = _on_device(data.held_out, data.held_out_labels) | scale
        else:
            self.arrays, self.held_out_arrays = there.arrays, there.held_out_arrays
        # Spread over the whole part, where not all of it is read.
        self.evaluated = _spread(data.n_held_out, cell.evaluate)
        # The first that are trained on, a random draw. Images at equal distances would not do: they
        # lie in order of their classes' turns, and every tenth of ten classes is of one.
        count = min(cell.D_unique, max(1, cell.evaluate // 4))
        self.sampled = self.order.picks(0, -(-count // cell.batch)).ravel()[:count]

    def picks(self, step: int, n_steps: int) -> NDArray[np.int32]:
        return self.order.picks(step, n_steps)

    def held_out(self) -> Iterable[NDArray[np.int32]]:
        return whole_batches(self.evaluated, mesh.even(EVAL_IMAGES))

    def sample(self) -> Iterable[NDArray[np.int32]]:
        return whole_batches(self.sampled, mesh.even(EVAL_IMAGES))

    def metrics(self, measured: Measured) -> dict[str, float]:
        return error_rates(measured, self.classes)


class Streamed:
    """Batches decoded on the host, each sent when its step comes."""

    streamed = True
    waited = 0.0

    def __init__(self, cell: Cell, data: ImageStream) -> None:
        self.uniform, self.classes = float(np.log(len(data.classes))), len(data.classes)
        self.cell, self.data = cell, data
        self.arrays = self.held_out_arrays = _scale(data)
        self.batches: Iterator[Any] = iter(())
        self.at = -1  # the step whose batch comes next

    def picks(self, step: int, n_steps: int) -> Iterator[Any]:
        if step != self.at:
            self.batches, self.at = self._from(step), step
        for _ in range(n_steps):
            asked = time.perf_counter()
            batch = next(self.batches)
            self.waited += time.perf_counter() - asked
            self.at += 1
            yield mesh.by_example(batch)

    def held_out(self) -> Iterable[Any]:
        return _stacked(self.data.held_out_batches(mesh.even(EVAL_IMAGES)), self.cell.evaluate)

    def sample(self) -> Iterable[Any]:
        return _stacked(self._from(0), max(1, self.cell.evaluate // 4))

    def metrics(self, measured: Measured) -> dict[str, float]:
        return error_rates(measured, self.classes)

    def _from(self, step: int) -> Iterator[Any]:
        return self.data.train_batches(
            unique=self.cell.D_unique,
            batch=self.cell.batch,
            seed=self.cell.seed,
            first_step=step,
        )


def error_rates(measured: Measured, classes: int) -> dict[str, float]:
    """Top-1 and top-5 error and the calibration error, each a share."""
    rank = measured["rank"]
    return {
        "top1_error": metrics.top_k_error(rank, 1, classes),
        "top5_error": metrics.top_k_error(rank, 5, classes),
        "calibration_error": metrics.calibration_error(measured["confidence"], rank == 0),
    }


def normalised(arrays: Any, images: Array) -> Array:
    """uint8 [B, H, W, C] to zero mean and unit variance of each channel over the training part."""
    scaled: Array = (images.astype(jnp.float32) / 255 - arrays["mean"]) / arrays["std"]
    return scaled


def _take(arrays: Any, picks: Any) -> tuple[Array, Array]:
    images, labels = (
        (arrays["images"][picks], arrays["labels"][picks]) if "images" in arrays else picks
    )
    return normalised(arrays, images), labels


def _cross_entropy(logits: Array, labels: Array) -> Array:
    picked = jnp.take_along_axis(logits, labels[:, None], 1)[:, 0]
    losses: Array = jax.nn.logsumexp(logits, -1) - picked
    return losses


def _scale(data: Images | ImageStream) -> dict[str, Array]:
    return {"mean": jnp.asarray(data.mean, jnp.float32), "std": jnp.asarray(data.std, jnp.float32)}


def _on_device(images: NDArray[np.uint8], labels: NDArray[np.int32]) -> dict[str, Array]:
    return {
        "images": jnp.asarray(np.asarray(images)),
        "labels": jnp.asarray(np.asarray(labels[: len(images)])),
    }


def _spread(n: int, count: int) -> NDArray[np.int32]:
    return (np.arange(count, dtype=np.int64) * n // count).astype(np.int32)


def _stacked(batches: Iterator[Any], limit: int) -> Iterator[Any]:
    """Batches until `limit` images were read, each a stack of one."""
    read = 0
    for images, labels in batches:
        yield images[None], labels[None]
        read += len(labels)
        if read >= limit:
            return
