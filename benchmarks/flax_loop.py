"""Baseline (a): the usual Flax training loop, as guides and scripts write it.

One jitted step, a NumPy batch made and uploaded for every step, the loss read after every step;
`TrainState` with an optax chain (clipping, AdamW, warmup and cosine decay). The model is ours, but
for its matrix products, which are JAX's plain ones as in `flax.linen.Dense`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training.train_state import TrainState
from setting import LEARNING_RATE, TIMED_STEPS, WARMUP_STEPS, Setting

from scaling.models.transformer import TransformerLM
from scaling.train.engine import EVAL_WINDOWS


class FlaxLoop:
    """`step()` trains one batch and returns its loss."""

    def __init__(self, setting: Setting, *, steps: int = TIMED_STEPS, seed: int = 0) -> None:
        model = TransformerLM(setting.shape, transfer=False, product=jnp.matmul)
        example = jnp.zeros((1, setting.shape.context), jnp.int32)
        self.batches = setting.batches(seed)
        self.state = TrainState.create(
            apply_fn=model.apply,
            params=jax.jit(model.init)(jax.random.key(seed), example),
            tx=_optimiser(setting, steps),
        )

    def step(self) -> float:
        inputs, labels = next(self.batches)
        self.state, loss = _train_step(self.state, jnp.asarray(inputs), jnp.asarray(labels))
        return float(loss)

    def evaluate(self, tokens: Any, context: int, limit: int) -> float:
        """Mean loss of the first `limit` held-out tokens, a batch of windows at a time."""
        losses = []
        for at in range(0, limit - EVAL_WINDOWS * context, EVAL_WINDOWS * context):
            batch = np.asarray(tokens[at : at + EVAL_WINDOWS * context + 1]).astype(np.int32)
            inputs, labels = (b.reshape(EVAL_WINDOWS, context) for b in (batch[:-1], batch[1:]))
            losses.append(float(_eval_step(self.state, jnp.asarray(inputs), jnp.asarray(labels))))
        return sum(losses) / len(losses)


@jax.jit
def _eval_step(state: TrainState, inputs: Any, labels: Any) -> Any:
    logits = state.apply_fn(state.params, inputs)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@jax.jit
def _train_step(state: TrainState, inputs: Any, labels: Any) -> tuple[TrainState, Any]:
    def mean_loss(params: Any) -> Any:
        logits = state.apply_fn(params, inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    loss, grads = jax.value_and_grad(mean_loss)(state.params)
    return state.apply_gradients(grads=grads), loss


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
