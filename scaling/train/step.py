"""One compiled program: many training steps, and the held-out evaluation.

The data lie on the device, or stream in batch by batch; a step gets what to read, its learning
rate and its noise. Nothing returns to the host inside a chunk; what it tells comes back with its
end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from scaling import families, models
from scaling.families import Shape
from scaling.grid import Recipe, batch_of, resolved
from scaling.models import spread
from scaling.models.rates import is_matrix
from scaling.models.remat import compiler_options
from scaling.train import tasks
from scaling.train.probe import Blocks

Array = jax.Array
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}


# Steps without an overflow after which float16's losses are scaled by twice as much.
SCALE_STEPS = 256
_DIRECTIONS: dict[str, Callable[[Recipe], list[Any]]] = {
    "adamw": lambda recipe: [optax.scale_by_adam(recipe.beta1, recipe.beta2)],
    "lion": lambda recipe: [optax.scale_by_lion(recipe.beta1, recipe.beta2)],
    "sgd": lambda recipe: [],
}


class State(NamedTuple):
    params: Any
    optimiser: Any
    stats: Any  # collections that the forward pass itself changes: BatchNorm's statistics
    scale: Any  # of float16's losses: the factor, and the steps since it last changed; or nothing


class Told(NamedTuple):
    """What a chunk tells; names and shapes as in `telemetry.Chunk`."""

    loss: Array
    grad_norm: Array
    skipped: Array
    nonfinite: Array
    grad_by_block: Array
    update_by_block: Array
    activation_by_block: Array
    attention_logit: Array
    loss_scale: Array


class Program:
    """The compiled functions of one shape: `init`, `chunk`, `evaluate`.

    init(key) -> State. chunk(state, arrays, picks, rates, noise) -> State and what it tells; it
    donates the state. A step whose loss or gradient is not finite leaves the state as it was.
    evaluate(state, arrays, stacks) -> what the task measures, over all examples of the stacks.

    pieces: parts of the batch whose gradients are taken one after another; by default as the
    recipe's `microbatch` says.
    """

    def __init__(
        self,
        family: str,
        shape: Shape,
        recipe: Recipe,
        *,
        streamed: bool = False,
        pieces: int | None = None,
    ) -> None:
        recipe = resolved(recipe)
        module, transfer = models.get(family), recipe.transfer == "mup"
        unit = families.get(family).UNIT
        how = {"remat": True} if recipe.remat else {}  # a family without blocks has no such option
        dtype = DTYPES[recipe.precision]
        self.model = module.build(shape, dtype=dtype, transfer=transfer, **how)
        self.task = tasks.make(unit, self.model, shape, recipe)
        examples = batch_of(recipe, unit) // shape.units
        self.pieces = pieces or examples // (recipe.microbatch or examples)
        self.accounts: dict[Any, Any] = {}  # XLA's, of what has run (scaling.train.measure)
        dynamic = recipe.precision == "float16" and recipe.loss_scale != "none"
        self._first_scale = (jnp.float32(2.0**15), jnp.int32(0)) if dynamic else ()
        # The optimiser's direction; the rate is applied in the step, leaf by leaf.
        self._direction = optax.chain(
            *([optax.clip_by_global_norm(recipe.clip)] if recipe.clip else []),
            *_DIRECTIONS[recipe.optimiser or "adamw"](recipe),
            optax.add_decayed_weights(recipe.weight_decay, mask=_matrices),
        )
        self._multipliers = partial(
            module.rate_multipliers,
            shape=shape,
            base_width=recipe.base_width,
            head_rate=recipe.head_rate,
            transfer=transfer,
        )
        # On a mesh, too, what is gathered twice is not to be merged into one.
        options = compiler_options() if recipe.remat or spread.spread() else None
        self.init = jax.jit(self._init, compiler_options=_once())
        self.reference = jax.jit(self._reference)
        # A chunk is one scan wherever its data are sent ahead. Convolutions, too: since their
        # gradients keep the fast path in loops (`models.convolution`), a CPU second trains as many
        # steps in a scan as one by one for ResNet and VGG, up to 1.2 times as many for CNN, and 1.6
        # times for small MLPs.
        if streamed:
            self.step = jax.jit(self._step, donate_argnums=1, compiler_options=options)
            self.batch = jax.jit(self._measure)
            self._finish = jax.jit(self._told)
            self.chunk: Callable[..., Any] = self._stepwise
            self.measure: Callable[..., Any] = self._batchwise
        else:
            self.chunk = jax.jit(self._scanned, donate_argnums=0, compiler_options=options)
            self.measure = jax.jit(self._mapped)

    @cached_property
    def blocks(self) -> Blocks:
        """The model's parts, of which telemetry tells."""
        jax.eval_shape(self.init, jax.random.key(0))  # `init` finds the same trace again
        return Blocks(self._made)

    def evaluate(self, state: State, arrays: Any, stacks: Iterable[Any]) -> tasks.Measured:
        """What the task measures of each example, in the order of the stacks."""
        reference = self.reference(state, arrays)
        parts = [self.measure(state, arrays, stack, reference) for stack in stacks]
        host = jax.device_get(parts)
        return {name: np.concatenate([_flat(part[name]) for part in host]) for name in host[0]}

    def with_fresh_moments(self, state: State) -> State:
        return state._replace(optimiser=self._direction.init(state.params))

    def _init(self, key: Array) -> State:
        collections = self.model.init(key, *self.task.example())
        self._made = params = collections["params"]  # here its keys still stand as they were made
        stats = {k: v for k, v in collections.items() if k not in ("params", "losses")}
        state = State(params, self._direction.init(params), stats, self._first_scale)
        return spread.by_parameter(state)

    def _step(self, arrays: Any, state: State, now: tuple[Any, Array, Array]) -> tuple[State, Told]:
        picks, rate, noise = now
        loss, grads, stats, activations = self._gradients(
            arrays, state, picks, jax.random.key(noise)
        )
        norm = optax.tree.norm(grads)
        sound = jnp.isfinite(norm) & jnp.isfinite(loss)

        def taken(stats: Any = stats) -> tuple[Any, Any, Any]:
            updates, optimiser = self._direction.update(grads, state.optimiser, state.params)
            params = jax.tree.map(
                lambda p, u, m: p - rate * m * u,
                state.params,
                updates,
                self._multipliers(state.params),
            )
            return params, optimiser, stats

        # Not `where` leaf by leaf: XLA would first copy the whole state in every step.
        params, optimiser, stats = jax.lax.cond(
            sound, taken, lambda: (state.params, state.optimiser, state.stats)
        )
        after = spread.by_parameter(State(params, optimiser, stats, _rescaled(state.scale, sound)))
        by_block = self.blocks.norms(grads)
        wrong = ~jnp.isfinite(by_block)
        return after, Told(
            loss=loss,
            grad_norm=norm,
            skipped=~sound,
            nonfinite=jnp.sum(wrong, dtype=jnp.int32),
            grad_by_block=by_block,
            activation_by_block=activations[0],
            attention_logit=activations[1],
            loss_scale=after.scale[0] if after.scale else jnp.float32(1),
            update_by_block=jnp.float32(jnp.nan),  # the chunk's: see `_told`
        )

    def _gradients(
        self, arrays: Any, state: State, picks: Any, key: Array
    ) -> tuple[Array, Any, Any, tuple[Array, Array]]:
        """Of a step's items: the loss, its gradient, the changed statistics, and activations."""
        scale = state.scale[0] if state.scale else 1.0

        def total(params: Any, stats: Any, picks: Any, key: Array) -> tuple[Array, Any]:
            with nn.intercept_methods(self.blocks.intercept):
                loss, changed = self.task.loss({"params": params, **stats}, arrays, picks, key)
            # A model's own penalties (a mixture's balance) are trained on, and never reported.
            penalties = jax.tree.leaves(changed.pop("losses", {}))
            told = self.blocks.activations(changed.pop("telemetry", {}))
            return sum(penalties, start=loss) * scale, (loss, changed, told)

        gradient = jax.grad(total, has_aux=True)
        if self.pieces == 1:
            grads, (loss, stats, told) = gradient(state.params, state.stats, picks, key)
        else:
            grads, (loss, stats, told) = self._accumulated(gradient, state, picks, key)
        if state.scale:
            grads = jax.tree.map(lambda g: g / scale, grads)
        return loss, grads, stats, told

    def _accumulated(self, gradient: Any, state: State, picks: Any, key: Array) -> Any:
        """The mean of the pieces' gradients and losses; activations are the last piece's."""
        pieces = self.pieces
        split = jax.tree.map(lambda x: x.reshape(pieces, -1, *x.shape[1:]), picks)

        def add(carry: Any, piece: Any) -> tuple[Any, Any]:
            total, stats = carry
            grads, (loss, stats, told) = gradient(state.params, stats, *piece)
            total = jax.tree.map(lambda t, g: t + g / pieces, total, grads)
            return (total, stats), (loss, told)

        zeros = jax.tree.map(jnp.zeros_like, state.params)
        (grads, stats), (losses, told) = jax.lax.scan(
            add, (zeros, state.stats), (split, jax.random.split(key, pieces))
        )
        return grads, (losses.mean(), stats, jax.tree.map(lambda x: x[-1], told))

    def _scanned(
        self, state: State, arrays: Any, picks: Any, rates: Array, noise: Array
    ) -> tuple[State, Told]:
        steps = (picks, rates, noise)
        after, told = jax.lax.scan(lambda s, now: self._step(arrays, s, now), state, steps)
        return after, self._told(told, state.params, after.params)

    def _stepwise(
        self, state: State, arrays: Any, picks: Any, rates: Any, noise: Any
    ) -> tuple[State, Told]:
        before, steps = jax.tree.map(jnp.copy, state.params), []
        for now in zip(_each(picks), rates, noise, strict=True):
            state, told = self.step(arrays, state, now)
            steps.append(told)
        told = jax.tree.map(lambda *told: jnp.stack(told), *steps)
        return state, self._finish(told, before, state.params)

    def _told(self, told: Told, before: Any, after: Any) -> Told:
        """By steps, but what is of blocks of the last step; and how far the weights have moved.

        A single step's update would have to be written down in each of them: up to a tenth of a
        small model's step, where the chunk's movement costs nothing.
        """
        moved = jax.tree.map(lambda a, b: a - b, after, before)
        by_step = ("loss", "grad_norm", "skipped", "nonfinite")
        last = {k: v if k in by_step else v[-1] for k, v in told._asdict().items()}
        ratio = self.blocks.norms(moved) / self.blocks.norms(before)
        return spread.whole(Told(**last | {"update_by_block": ratio}))

    def _reference(self, state: State, arrays: Any) -> Any:
        return self.task.reference(_variables(state), arrays)

    def _measure(self, state: State, arrays: Any, picks: Any, reference: Any) -> Any:
        return spread.whole(self.task.measure(_variables(state), arrays, picks, reference))

    def _mapped(self, state: State, arrays: Any, stack: Any, reference: Any) -> Any:
        return jax.lax.map(lambda picks: self._measure(state, arrays, picks, reference), stack)

    def _batchwise(self, state: State, arrays: Any, stack: Any, reference: Any) -> Any:
        parts = [self.batch(state, arrays, picks, reference) for picks in _each(stack)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


def _once() -> dict[str, int]:
    """How a program that runs once is compiled: on a CPU with little optimisation. A ResNet of 20
    layers, whose random numbers stand written out for each kernel, then starts after 2 s of one
    core instead of 13, with the same numbers."""
    return {"xla_backend_optimization_level": 1} if jax.default_backend() == "cpu" else {}


def _rescaled(scale: Any, sound: Array) -> Any:
    """Half the factor after an overflow; twice of it after so many steps without one
    (Micikevicius et al. 2018, arXiv:1710.03740, section 3.2)."""
    if not scale:
        return ()
    factor, since = scale
    grown = since + 1 >= SCALE_STEPS
    factor = jnp.where(sound, jnp.where(grown, 2 * factor, factor), factor / 2)
    return factor, jnp.where(sound & ~grown, since + 1, 0)


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
