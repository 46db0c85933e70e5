"""One compiled program: many training steps in a `lax.scan`, and the held-out evaluation.

The corpus lies on the device; a step gets the offsets of its windows and its learning rate.
Nothing returns to the host inside a chunk; losses and gradient norms come back with its end.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from scaling import models
from scaling.families import Shape
from scaling.grid import Recipe

Array = jax.Array
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class State(NamedTuple):
    params: Any
    optimiser: Any


class Program:
    """The compiled functions of one shape: `init`, `chunk`, `evaluate`."""

    def __init__(self, family: str, shape: Shape, recipe: Recipe, context: int) -> None:
        module = models.get(family)
        model = module.build(
            shape, dtype=DTYPES[recipe.precision], transfer=recipe.transfer == "mup"
        )
        # Adam's direction; the rate is applied in the step, leaf by leaf.
        direction = optax.chain(
            optax.clip_by_global_norm(recipe.clip),
            optax.scale_by_adam(recipe.beta1, recipe.beta2),
            optax.add_decayed_weights(recipe.weight_decay, mask=_matrices),
        )

        def windows(tokens: Array, starts: Array) -> tuple[Array, Array]:
            window = tokens[starts[:, None] + jnp.arange(context + 1)].astype(jnp.int32)
            return window[:, :-1], window[:, 1:]

        def token_losses(params: Any, tokens: Array, starts: Array) -> Array:
            inputs, labels = windows(tokens, starts)
            logits = model.apply(params, inputs)
            picked = jnp.take_along_axis(logits, labels[..., None], -1)[..., 0]
            losses: Array = jax.nn.logsumexp(logits, -1) - picked
            return losses

        def init(key: Array) -> State:
            params = model.init(key, jnp.zeros((1, context), jnp.int32))
            return State(params, direction.init(params))

        def step(tokens: Array, state: State, now: tuple[Array, Array]) -> tuple[State, Any]:
            starts, rate = now
            loss, grads = jax.value_and_grad(lambda p: token_losses(p, tokens, starts).mean())(
                state.params
            )
            updates, optimiser = direction.update(grads, state.optimiser, state.params)
            multipliers = module.rate_multipliers(
                state.params,
                shape,
                base_width=recipe.base_width,
                head_rate=recipe.head_rate,
                transfer=recipe.transfer == "mup",
            )
            params = jax.tree.map(
                lambda p, u, m: p - rate * m * u, state.params, updates, multipliers
            )
            return State(params, optimiser), (loss, optax.tree.norm(grads))

        def chunk(state: State, tokens: Array, starts: Array, rates: Array) -> tuple[State, Any]:
            return jax.lax.scan(lambda s, now: step(tokens, s, now), state, (starts, rates))

        def evaluate(params: Any, tokens: Array, starts: Array) -> Array:
            """Mean loss of each window, [batches, windows], from starts of that shape."""
            means: Array = jax.lax.map(lambda s: token_losses(params, tokens, s).mean(-1), starts)
            return means

        self.init = jax.jit(init)
        self.chunk = jax.jit(chunk, donate_argnums=0)
        self.evaluate = jax.jit(evaluate)
        self.model = model


def _matrices(params: Any) -> Any:
    """Weight decay is for matrices, not for gains."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
