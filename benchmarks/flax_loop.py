"""Baseline (a): the usual Flax training loop, as guides and scripts write it.

One jitted step, a NumPy batch made and uploaded for every step, the loss read after every step;
`TrainState` with an optax chain (clipping, AdamW, warmup and cosine decay). The model is ours, but
for its products, convolutions and pools, which are JAX's plain ones as in `flax.linen`.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training import train_state
from setting import LEARNING_RATE, TIMED_STEPS, WARMUP_STEPS, Setting

from scaling.models import convolution, pooling, product


class TrainState(train_state.TrainState):
    stats: Any


class FlaxLoop:
    """`step()` trains one batch and returns its loss."""

    def __init__(self, setting: Setting, *, steps: int = TIMED_STEPS, seed: int = 0) -> None:
        plain_layers()
        from scaling import models

        self.model = models.get(setting.family).build(setting.shape, transfer=False)
        self.unit = setting.unit
        self.batches = setting.batches(seed)
        self.key = jax.random.key(seed)
        inputs = next(setting.batches(seed))[:-1]
        collections = jax.jit(self.model.init)(self.key, *(jnp.asarray(a) for a in inputs))
        self.state = TrainState.create(
            apply_fn=self.model.apply,
            params=collections["params"],
            tx=_optimiser(setting, steps),
            stats={k: v for k, v in collections.items() if k == "batch_stats"},
        )
        self.train_step = jax.jit(self._train_step)
        self.eval_step = jax.jit(self._eval_step)

    def step(self) -> float:
        batch = next(self.batches)
        self.state, loss = self.train_step(self.state, tuple(jnp.asarray(a) for a in batch))
        return float(loss)

    def evaluate(self, tokens: Any, context: int, limit: int) -> float:
        """Mean loss of the first `limit` held-out tokens, a batch of windows at a time."""
        from scaling.train.next_token import EVAL_WINDOWS

        losses = []
        for at in range(0, limit - EVAL_WINDOWS * context, EVAL_WINDOWS * context):
            batch = np.asarray(tokens[at : at + EVAL_WINDOWS * context + 1]).astype(np.int32)
            inputs, labels = (b.reshape(EVAL_WINDOWS, context) for b in (batch[:-1], batch[1:]))
            losses.append(float(self.eval_step(self.state, inputs, labels)))
        return sum(losses) / len(losses)

    def loss(self, params: Any, stats: Any, batch: tuple[Any, ...], key: Any) -> tuple[Any, Any]:
        """The mean loss in training, and BatchNorm's new statistics."""
        *inputs, labels = batch
        out, changed = self.model.apply(
            {"params": params, **stats},
            *inputs,
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
        if self.unit == "pair":
            return self._pair_loss(out, inputs[1], labels), changed
        return optax.softmax_cross_entropy_with_integer_labels(out, labels).mean(), changed

    def _pair_loss(self, out: dict[str, Any], captions: Any, labels: Any) -> Any:
        """Contrastive and twice the captioning loss; images of one class share their caption."""
        similar = out["image"] @ out["text"].T / out["temperature"]
        share = (labels[:, None] == labels[None, :]).astype(jnp.float32)
        share = share / share.sum(1, keepdims=True)
        contrastive = sum(
            optax.softmax_cross_entropy(s, share).mean() for s in (similar, similar.T)
        )
        told = optax.softmax_cross_entropy_with_integer_labels(
            out["logits"][:, :-1], captions[:, 1:]
        )
        return contrastive / 2 + 2 * told.mean()

    def _train_step(self, state: TrainState, batch: tuple[Any, ...]) -> tuple[TrainState, Any]:
        key = jax.random.fold_in(self.key, state.step)
        mean_loss = jax.value_and_grad(self.loss, has_aux=True)
        (loss, stats), grads = mean_loss(state.params, state.stats, batch, key)
        return state.apply_gradients(grads=grads, stats=stats), loss

    def _eval_step(self, state: TrainState, inputs: Any, labels: Any) -> Any:
        logits = self.model.apply({"params": state.params}, inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def plain_layers() -> None:
    """For the rest of this process, every module multiplies, convolves and pools as JAX does.

    Layers take these functions by name as they are imported, so that comes first.
    """
    if product.product is jnp.matmul:
        return
    taken = sorted(name for name in sys.modules if name.startswith("scaling.models."))
    ours = [f"scaling.models.{name}" for name in ("convolution", "pooling", "product", "spread")]
    if taken != ours:
        raise RuntimeError(f"layers are imported already: {taken}")
    product.product = jnp.matmul
    convolution.convolution = convolution.plain_convolution
    pooling.max_pool = pooling.plain_max_pool


def _optimiser(setting: Setting, steps: int) -> optax.GradientTransformation:
    recipe = setting.recipe
    warmup = min(WARMUP_STEPS, steps // 2)
    rate = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, warmup, steps)
    return optax.chain(
        optax.clip_by_global_norm(recipe.clip),
        optax.adamw(
            rate,
            recipe.beta1,
            recipe.beta2,
            weight_decay=recipe.weight_decay,
            mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params),
        ),
    )
