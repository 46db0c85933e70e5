"""Image-text models: the contrastive loss between images and texts, and the caption's loss.

Weights of the two are dials of the shape (Yu et al. 2022, arXiv:2205.01917, eq. 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from scaling.data import EpochOrder, Pairs
from scaling.data.pairs import PAD
from scaling.grid import Cell, Recipe
from scaling.models.spread import by_example
from scaling.train import metrics
from scaling.train.augment import augment
from scaling.train.classify import normalised, rank_of
from scaling.train.tasks import CHANGED, Measured, Told, Variables, whole_batches

Array = jax.Array


class Task:
    """A pick is the numbers of a step's pairs, all on the device."""

    def __init__(self, model: Any, shape: Any, recipe: Recipe) -> None:
        self.model, self.shape, self.augment = model, shape, recipe.augment

    def example(self) -> tuple[Array, ...]:
        side = self.shape.image
        images = jnp.zeros((1, side, side, self.shape.channels))
        return images, jnp.ones((1, self.shape.context), jnp.int32)

    def loss(self, variables: Variables, arrays: Any, picks: Any, key: Array) -> Told:
        for_shift, for_dropout = jax.random.split(key)
        images = normalised(arrays, by_example(arrays["images"][picks]))
        out, changed = self.model.apply(
            variables,
            augment(images, self.augment, for_shift),
            _captions(arrays, picks),
            train=True,
            rngs={"dropout": for_dropout},
            mutable=CHANGED,
        )
        return Told(self._losses(out, arrays, picks)["loss"].mean(), changed)

    def reference(self, variables: Variables, arrays: Any) -> Any:
        """Each class as the mean of its prompts' embeddings [classes, E], for zero-shot answers
        (Radford et al. 2021, section 3.1.4)."""
        classes, templates, context = arrays["prompts"].shape
        if not classes:
            return ()
        prompts = arrays["prompts"].reshape(-1, context)
        texts = self.model.apply(variables, prompts, method="encode_text")
        mean = texts.reshape(classes, templates, -1).mean(1)
        return mean / jnp.linalg.norm(mean, axis=-1, keepdims=True)

    def measure(
        self, variables: Variables, arrays: Any, picks: Any, reference: Any
    ) -> dict[str, Array]:
        images = normalised(arrays, by_example(arrays["images"][picks]))
        out = self.model.apply(variables, images, _captions(arrays, picks))
        measured = self._losses(out, arrays, picks) | {
            "image": out["image"],
            "text": out["text"],
            "group": arrays["groups"][picks],
            "caption": arrays["rows"][picks],
        }
        if len(reference):
            measured["rank"] = rank_of(out["image"] @ reference.T, arrays["groups"][picks])
        return measured

    def _losses(self, out: dict[str, Array], arrays: Any, picks: Any) -> dict[str, Array]:
        """Of each pair [B], in nats: the weighted sum and its two parts."""
        contrastive = _contrastive(out, arrays["groups"][picks])
        caption = _caption(out["logits"], _captions(arrays, picks))
        weighted = self.shape.contrastive_weight * contrastive + self.shape.caption_weight * caption
        return {"loss": weighted, "contrastive_loss": contrastive, "caption_loss": caption}


class Feed:
    """Images, captions and prompts on the device. Evaluations read batches of the training
    batch's size: how hard the contrastive task is depends on it."""

    streamed = False
    waited = 0.0

    def __init__(self, cell: Cell, data: Pairs, there: Any = None) -> None:
        shape = cell.shape.to_dict()
        self.uniform = float(
            shape["contrastive_weight"] * np.log(cell.batch)
            + shape["caption_weight"] * np.log(data.vocab)
        )
        self.order = EpochOrder(cell.D_unique, cell.batch, cell.seed)
        n = cell.D_unique
        if there is None:
            self.arrays, self.held_out_arrays = _on_device(data, n)
        else:
            self.arrays, self.held_out_arrays = there.arrays, there.held_out_arrays
        self.classes, self.batch = len(data.prompts), cell.batch
        self.evaluated, self.n_train = cell.evaluate, n

    def picks(self, step: int, n_steps: int) -> NDArray[np.int32]:
        return self.order.picks(step, n_steps)

    def held_out(self) -> Iterable[NDArray[np.int32]]:
        return self._batches(self.evaluated)

    def sample(self) -> Iterable[NDArray[np.int32]]:
        return self._batches(min(self.n_train, max(self.batch, self.evaluated // 4)))

    def metrics(self, measured: Measured) -> dict[str, float]:
        """The loss's parts; image to text recall among the distinct captions; zero-shot errors."""
        _, first = np.unique(measured["caption"], return_index=True)
        told = {name: float(measured[name].mean()) for name in ("contrastive_loss", "caption_loss")}
        for k in (1, 5):
            told[f"recall_at_{k}"] = metrics.recall_at_k(
                measured["image"],
                measured["text"][first],
                measured["group"],
                measured["group"][first],
                k,
            )
        if "rank" in measured:
            for k in (1, 5):
                error = metrics.top_k_error(measured["rank"], k, self.classes)
                told[f"zero_shot_top{k}_error"] = error
        return told

    def _batches(self, count: int) -> Iterable[NDArray[np.int32]]:
        whole = count // self.batch * self.batch
        return whole_batches(np.arange(whole, dtype=np.int32), self.batch)


def _contrastive(out: dict[str, Array], groups: Array) -> Array:
    """Cross-entropy of images over texts and of texts over images, their mean [B].

    Pairs of one group are positives of each other, all equally (Khosla et al. 2020, eq. 2, whose
    sum stands outside the logarithm): captions made of class names repeat within a batch.
    """
    logits = out["image"] @ out["text"].T / out["temperature"]
    same = (groups[:, None] == groups[None, :]).astype(jnp.float32)
    share = same / same.sum(1, keepdims=True)
    by_image = -(share * jax.nn.log_softmax(logits, 1)).sum(1)
    by_text = -(share * jax.nn.log_softmax(logits.T, 1)).sum(1)
    return (by_image + by_text) / 2


def _caption(logits: Array, captions: Array) -> Array:
    """Mean loss of each caption's tokens after its first [B]; padding is not predicted."""
    labels, logits = captions[:, 1:], logits[:, :-1]
    losses = (
        jax.nn.logsumexp(logits, -1) - jnp.take_along_axis(logits, labels[..., None], -1)[..., 0]
    )
    told = (labels != PAD).astype(jnp.float32)
    mean: Array = (losses * told).sum(1) / told.sum(1)
    return mean


def _captions(arrays: Any, picks: Any) -> Array:
    return by_example(arrays["captions"][arrays["rows"][picks]])


def _on_device(data: Pairs, n: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """The first `n` training pairs, and the held-out part."""
    images = data.images
    common = {
        "mean": jnp.asarray(images.mean, jnp.float32),
        "std": jnp.asarray(images.std, jnp.float32),
        "captions": jnp.asarray(data.captions),
        "prompts": jnp.asarray(data.prompts),
    }
    train = _part(data, images.train[:n], images.train_labels[:n], data.train_captions[:n])
    held_out = _part(data, images.held_out, images.held_out_labels, data.held_out_captions)
    return common | train, common | held_out


def _part(
    data: Pairs, images: NDArray[np.uint8], labels: NDArray[np.int32], rows: NDArray[np.int32]
) -> dict[str, Array]:
    """One part on the device. groups: the class, or without classes the caption."""
    groups = labels if len(data.prompts) else rows
    return {
        "images": jnp.asarray(np.asarray(images)),
        "groups": jnp.asarray(np.asarray(groups)),
        "rows": jnp.asarray(np.asarray(rows)),
    }
