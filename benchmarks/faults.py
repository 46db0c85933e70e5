"""Small runs that are well, and runs made ill on purpose: what `benchmarks/diagnosis.py` judges.

A fault acts where it would in life: on the data, the parameters, the rate, the feed's speed, or the
gradient. The engine's own program trains all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scaling import families
from scaling.grid import CHUNK_STEPS, Cell, Data, Recipe, open_data
from scaling.train import schedule
from scaling.train.step import Program
from scaling.train.tasks import Told, feed_of
from scaling.train.telemetry import Chunk

STEPS = 256
GARBAGE = 64  # items of noise that lie behind the training data
LEAST_SLEEP = 0.2
POISON = np.uint32(0xBADBAD)  # the noise of a step whose gradient is to be NaN


@dataclass(frozen=True)
class Setting:
    """A shape and a recipe; runs of one setting share a compiled program."""

    family: str
    dials: tuple[tuple[str, Any], ...]
    recipe: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return f"{self.family} " + " ".join(f"{k}={v}" for k, v in (*self.dials, *self.recipe))


def setting(family: str, recipe: dict[str, Any], **dials: Any) -> Setting:
    return Setting(family, tuple(dials.items()), tuple(recipe.items()))


@dataclass(frozen=True)
class Fault:
    """What is done to a run. Hooks that are None do nothing.

    params: changes the first parameters. before: changes the state before the chunk of a step.
    picks: changes what a chunk's steps read. rate: multiplies the learning rate. poison: the step
    whose gradient is NaN. sleep: how many times as long as the chunk before the feed takes for one,
    `LEAST_SLEEP` seconds at least.
    """

    name: str
    expected: str = ""  # the label that must be told
    allowed: frozenset[str] = frozenset()  # consequences that are as true of it
    step: int | None = None  # where it begins, and in which block, where that is one
    block: str = ""
    params: Callable[[Any, np.random.Generator], Any] | None = None
    before: Callable[[Any, int], Any] | None = None
    picks: Callable[[Any, int, int], Any] | None = None  # picks, first step, training items
    rate: float = 1.0
    poison: int | None = None
    sleep: float = 0.0


WELL = Fault("well")


@dataclass(frozen=True)
class Run:
    setting: Setting
    seed: int
    fault: Fault = WELL
    steps: int = STEPS
    cooldown: int = 0  # of the last steps

    def __str__(self) -> str:
        return f"{self.fault.name}: {self.setting}, seed {self.seed}"


@cache
def workshop(setting: Setting) -> Workshop:
    return Workshop(setting)


class Workshop:
    """The compiled program of one setting, its data, and runs on them."""

    def __init__(self, setting: Setting) -> None:
        family = families.get(setting.family)
        text = family.UNIT == "token"
        data = _data(text)
        dims: dict[str, Any] = {**data.dims(), **({"context": 32} if text else {})}
        usual = {"batch_tokens": 512} if text else {"batch_images": 32}
        self.recipe = Recipe(
            **{"warmup_steps": 32, "base_width": 16, **usual, **dict(setting.recipe)}
        )
        shape = family.from_dials(**dims, **dict(setting.dials))
        unique = len(data.train) if text else data.n_train
        self.cell = Cell("pilot", setting.family, shape, self.recipe, STEPS, 0, "", unique, 512)
        self.data, self.unique = data, unique
        self.program = Program(setting.family, shape, self.recipe)
        self.program.task.loss = _poisoned(self.program.task.loss)
        self.feed_arrays = _with_garbage(feed_of(self.cell, data).arrays)

    @property
    def blocks(self) -> tuple[str, ...]:
        return self.program.blocks.names

    @property
    def scaled(self) -> bool:
        return self.recipe.precision == "float16" and self.recipe.loss_scale != "none"

    @cached_property
    def uniform(self) -> float:
        return feed_of(self.cell, self.data).uniform

    def chunks(self, run: Run) -> Iterator[Chunk]:
        """Train, and tell chunk by chunk as the engine does."""
        fault, recipe = run.fault, self.recipe
        feed = feed_of(replace(self.cell, seed=run.seed), self.data)
        state = self.program.init(jax.random.key(run.seed))
        if fault.params:
            params = fault.params(state.params, np.random.default_rng(run.seed))
            state = state._replace(params=params)
        then, took = time.perf_counter(), 0.0
        for step in range(0, run.steps, CHUNK_STEPS):
            if fault.before:
                state = fault.before(state, step)
            waits = time.perf_counter()
            picks = feed.picks(step, CHUNK_STEPS)
            if fault.sleep:
                time.sleep(max(LEAST_SLEEP, fault.sleep * took))
            waited = time.perf_counter() - waits
            if fault.picks:
                picks = fault.picks(picks, step, self.unique)
            rates = fault.rate * schedule.rates(
                step,
                CHUNK_STEPS,
                peak=recipe.learning_rate,
                warmup=recipe.warmup_steps,
                cool_from=run.steps - run.cooldown if run.cooldown else None,
                cool_steps=run.cooldown,
            )
            noise = schedule.noise(run.seed, step, CHUNK_STEPS)
            if fault.poison is not None and step <= fault.poison < step + CHUNK_STEPS:
                noise[fault.poison - step] = POISON
            state, told = self.program.chunk(state, self.feed_arrays, picks, rates, noise)
            host = jax.device_get(told)._asdict()
            host["attention_logit"] = float(host["attention_logit"])
            host["loss_scale"] = float(host["loss_scale"])
            now = time.perf_counter()
            took = now - then - waited
            yield Chunk(
                first_step=step,
                learning_rate=rates.astype(np.float32),
                seconds=now - then,
                waited=waited,
                **host,
            )
            then = now


@cache
def _data(text: bool) -> Any:
    if text:
        return open_data(Data(source="python-stdlib"), "token")
    return open_data(Data(source="digits", held_out=0.2), "image")


def _with_garbage(arrays: Any) -> Any:
    """The training data with items of noise behind them; images also one of NaN, as the last."""
    rng = np.random.default_rng(0)
    if not isinstance(arrays, dict):
        noise = rng.integers(0, int(arrays.max()) + 1, GARBAGE * 64).astype(arrays.dtype)
        return jnp.concatenate([arrays, noise])
    images, labels = np.asarray(arrays["images"], np.float32), np.asarray(arrays["labels"])
    noise = rng.integers(0, 256, (GARBAGE + 1, *images.shape[1:])).astype(np.float32)
    noise[-1] = np.nan
    wrong = rng.integers(0, labels.max() + 1, GARBAGE + 1).astype(labels.dtype)
    both = {"images": np.concatenate([images, noise]), "labels": np.concatenate([labels, wrong])}
    return arrays | jax.tree.map(jnp.asarray, both)


def _poisoned(loss: Any) -> Any:
    """A task's loss whose gradient is NaN where the step's noise says so; its value stays."""

    @jax.custom_vjp
    def trap(leaf: Any, poisoned: Any) -> Any:
        return jnp.float32(0)

    def forward(leaf: Any, poisoned: Any) -> Any:
        return jnp.float32(0), (leaf, poisoned)

    def backward(kept: Any, cotangent: Any) -> Any:
        leaf, poisoned = kept
        return jnp.where(poisoned, jnp.nan, 0.0) * jnp.ones_like(leaf), None

    trap.defvjp(forward, backward)

    def changed(variables: Any, arrays: Any, picks: Any, key: Any) -> Told:
        told = loss(variables, arrays, picks, key)
        poisoned = (jax.random.key_data(key)[-1] == POISON).astype(jnp.float32)
        leaf = jax.tree.leaves(variables["params"])[0]
        return Told(told.loss + trap(leaf, jax.lax.stop_gradient(poisoned)), told.changed)

    return changed


# What is done to parameters.


def _matrices(change: Callable[[str, Any], Any]) -> Callable[[Any, Any], Any]:
    """`change(path, leaf)` of every matrix of the blocks; not of the head, nor of tables."""

    def changed(params: Any, rng: Any) -> Any:
        def leaf_of(path: Any, leaf: Any) -> Any:
            name = "/".join(str(key.key) for key in path)
            own = leaf.ndim > 1 and not any(w in name for w in ("head", "embedding", "position"))
            return change(name, leaf) if own else leaf

        return jax.tree_util.tree_map_with_path(leaf_of, params)

    return changed


def scaled_weights(factor: float) -> Callable[[Any, Any], Any]:
    return _matrices(lambda name, leaf: factor * leaf)


def dead_units(block: str) -> Callable[[Any, Any], Any]:
    """Biases so low that no unit of one block ever answers."""

    def changed(params: Any, rng: Any) -> Any:
        return {**params, block: {**params[block], "bias": params[block]["bias"] - 1e3}}

    return changed


def no_gain(params: Any, rng: Any) -> Any:
    """The last norm gives nothing: nothing behind a head that begins at zero gets a gradient."""

    def leaf_of(path: Any, leaf: Any) -> Any:
        name = "/".join(str(key.key) for key in path)
        return 0 * leaf if "final_norm" in name else leaf

    return jax.tree_util.tree_map_with_path(leaf_of, params)


def nan_weight(step: int, block: str) -> Callable[[Any, int], Any]:
    """One weight of a block is NaN from a step on."""

    def before(state: Any, now: int) -> Any:
        if now != step:
            return state
        leaves, tree = jax.tree.flatten(state.params[block])
        leaves[-1] = leaves[-1].at[(0,) * leaves[-1].ndim].set(jnp.nan)
        inside = jax.tree.unflatten(tree, leaves)
        return state._replace(params={**state.params, block: inside})

    return before


# What is done to what is read.


def noise_from(step: int, count: int) -> Callable[[Any, int, int], Any]:
    """`count` steps of noise: random tokens, or images of noise with random labels."""

    def picks(reads: Any, first: int, items: int) -> Any:
        reads = np.array(reads)
        for at in range(max(step, first), min(step + count, first + len(reads))):
            reads[at - first] = items + np.arange(reads.shape[1]) % (GARBAGE - 32)
        return reads

    return picks


def nan_at(step: int) -> Callable[[Any, int, int], Any]:
    """One NaN image in the batch of one step."""

    def picks(reads: Any, first: int, items: int) -> Any:
        reads = np.array(reads)
        if first <= step < first + len(reads):
            reads[step - first, 0] = items + GARBAGE
        return reads

    return picks
