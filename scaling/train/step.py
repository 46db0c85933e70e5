"""One compiled program: many training steps, and the held-out evaluation.

The data lie on the device, or stream in batch by batch; a step gets what to read, its learning
rate and its noise. Nothing returns to the host inside a chunk; losses and gradient norms come back
with its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from scaling import families, models
from scaling.families import Shape
from scaling.grid import Recipe, resolved
from scaling.models import spread
from scaling.models.rates import is_matrix
from scaling.train import tasks

Array = jax.Array
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}


class State(NamedTuple):
    params: Any
    optimiser: Any
    stats: Any  # collections that the forward pass itself changes: BatchNorm's statistics


class Program:
    """The compiled functions of one shape: `init`, `chunk`, `evaluate`.

    init(key) -> State. chunk(state, arrays, picks, rates, noise) -> State and the losses and
    gradient norms of its steps; it donates the state. evaluate(state, arrays, stacks) -> what the
    task measures, over all examples of the stacks.
    """

    def __init__(
        self, family: str, shape: Shape, recipe: Recipe, *, streamed: bool = False
    ) -> None:
        recipe = resolved(recipe)
        module, transfer = models.get(family), recipe.transfer == "mup"
        self.model = module.build(shape, dtype=DTYPES[recipe.precision], transfer=transfer)
        self.task = tasks.make(families.get(family).UNIT, self.model, shape, recipe)
        # Adam's direction; the rate is applied in the step, leaf by leaf.
        self._direction = optax.chain(
            optax.clip_by_global_norm(recipe.clip),
            optax.scale_by_adam(recipe.beta1, recipe.beta2),
            optax.add_decayed_weights(recipe.weight_decay, mask=_matrices),
        )
        self._multipliers = partial(
            module.rate_multipliers,
            shape=shape,
            base_width=recipe.base_width,
            head_rate=recipe.head_rate,
            transfer=transfer,
        )
        self.init = jax.jit(self._init)
        self.reference = jax.jit(self._reference)
        # A chunk is one scan wherever its data are sent ahead. Convolutions, too: since their
        # gradients keep the fast path in loops (`models.convolution`), a CPU second trains as many
        # steps in a scan as one by one for ResNet and VGG, up to 1.2 times as many for CNN, and 1.6
        # times for small MLPs.
        if streamed:
            self.step = jax.jit(self._step, donate_argnums=1)
            self.batch = jax.jit(self._measure)
            self.chunk: Callable[..., Any] = self._stepwise
            self.measure: Callable[..., Any] = self._batchwise
        else:
            self.chunk = jax.jit(self._scanned, donate_argnums=0)
            self.measure = jax.jit(self._mapped)

    def evaluate(self, state: State, arrays: Any, stacks: Iterable[Any]) -> tasks.Measured:
        """What the task measures of each example, in the order of the stacks."""
        reference = self.reference(state, arrays)
        parts = [self.measure(state, arrays, stack, reference) for stack in stacks]
        host = jax.device_get(parts)
        return {name: np.concatenate([_flat(part[name]) for part in host]) for name in host[0]}

    def _init(self, key: Array) -> State:
        collections = self.model.init(key, *self.task.example())
        params = collections["params"]
        stats = {k: v for k, v in collections.items() if k not in ("params", "losses")}
        return spread.by_parameter(State(params, self._direction.init(params), stats))  # type: ignore[no-any-return]

    def _step(self, arrays: Any, state: State, now: tuple[Any, Array, Array]) -> tuple[State, Any]:
        picks, rate, noise = now

        def total(params: Any) -> tuple[Array, tuple[Array, Any]]:
            variables = {"params": params, **state.stats}
            loss, changed = self.task.loss(variables, arrays, picks, jax.random.key(noise))
            # A model's own penalties (a mixture's balance) are trained on, and never reported.
            penalties = jax.tree.leaves(changed.pop("losses", {}))
            return sum(penalties, start=loss), (loss, changed)

        grads, (loss, stats) = jax.grad(total, has_aux=True)(state.params)
        updates, optimiser = self._direction.update(grads, state.optimiser, state.params)
        params = jax.tree.map(
            lambda p, u, m: p - rate * m * u,
            state.params,
            updates,
            self._multipliers(state.params),
        )
        told = spread.whole((loss, optax.tree.norm(grads)))
        return spread.by_parameter(State(params, optimiser, stats)), told

    def _scanned(
        self, state: State, arrays: Any, picks: Any, rates: Array, noise: Array
    ) -> tuple[State, Any]:
        return jax.lax.scan(lambda s, now: self._step(arrays, s, now), state, (picks, rates, noise))

    def _stepwise(
        self, state: State, arrays: Any, picks: Any, rates: Any, noise: Any
    ) -> tuple[State, Any]:
        telemetry = []
        for now in zip(_each(picks), rates, noise, strict=True):
            state, told = self.step(arrays, state, now)
            telemetry.append(told)
        losses, norms = zip(*telemetry, strict=True)
        return state, (losses, norms)

    def _reference(self, state: State, arrays: Any) -> Any:
        return self.task.reference(_variables(state), arrays)

    def _measure(self, state: State, arrays: Any, picks: Any, reference: Any) -> Any:
        return spread.whole(self.task.measure(_variables(state), arrays, picks, reference))

    def _mapped(self, state: State, arrays: Any, stack: Any, reference: Any) -> Any:
        return jax.lax.map(lambda picks: self._measure(state, arrays, picks, reference), stack)

    def _batchwise(self, state: State, arrays: Any, stack: Any, reference: Any) -> Any:
        parts = [self.batch(state, arrays, picks, reference) for picks in _each(stack)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


def _variables(state: State) -> dict[str, Any]:
    return {"params": state.params, **state.stats}


def _each(picks: Any) -> Iterator[Any]:
    """Step by step: a stream as it comes, arrays (or a tree of them) along their first axis."""
    if isinstance(picks, Iterator):
        return picks
    leaves, tree = jax.tree.flatten(picks)
    return (jax.tree.unflatten(tree, row) for row in zip(*leaves, strict=True))


def _flat(array: Any) -> Any:
    """[batches, batch, ...] to [examples, ...]."""
    return np.asarray(array).reshape(-1, *array.shape[2:])


def _matrices(params: Any) -> Any:
    """Weight decay is for matrices and kernels, not for gains and biases."""
    return jax.tree_util.tree_map_with_path(is_matrix, params)
