"""What a benchmark process does: each function here builds one workload, ready to be timed.

A workload is called with the length of a window in seconds; it returns the work done (units of D,
or FLOPs) and the seconds it took, waiting for everything that it started.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from setting import TIMED_STEPS, Setting, made_data

Window = Callable[[float], tuple[float, float]]
GEMM_SIZE = 2048
SAME_LOSS = 1e-4
# Two draws of the same small initialisation, as a share of the loss.
NEAR_LOSS = 0.2


def engine(setting: Setting) -> Window:
    """Our engine's inner loop: chunks of steps on data that lies on the device."""
    import jax

    from scaling.grid import CHUNK_STEPS
    from scaling.sweep.work import prepare_jax
    from scaling.train import schedule
    from scaling.train.step import Program
    from scaling.train.tasks import feed_of

    prepare_jax()
    recipe = setting.recipe
    program = Program(setting.family, setting.shape, recipe)
    feed = feed_of(setting.cell, made_data(setting))
    state, step = program.init(jax.random.key(0)), 0

    def chunk() -> Any:
        nonlocal state, step
        rates = schedule.rates(
            step,
            CHUNK_STEPS,
            peak=recipe.learning_rate,
            warmup=recipe.warmup_steps,
            cool_from=None,
            cool_steps=0,
        )
        picks, noise = feed.picks(step, CHUNK_STEPS), schedule.noise(0, step, CHUNK_STEPS)
        state, telemetry = program.chunk(state, feed.arrays, picks, rates, noise)
        step += CHUNK_STEPS
        return telemetry

    def window(seconds: float) -> tuple[float, float]:
        jax.block_until_ready(chunk())
        first, began, pending = step, time.perf_counter(), None
        while time.perf_counter() - began < seconds:
            telemetry = chunk()
            jax.device_get(pending)  # as in the engine: a chunk's losses are read one later
            pending = telemetry
        jax.device_get(pending)
        return (step - first) * setting.batch, time.perf_counter() - began

    return window


def flax(setting: Setting) -> Window:
    """Baseline (a)."""
    from flax_loop import FlaxLoop

    from scaling.sweep.work import prepare_jax

    prepare_jax()
    return _steps(FlaxLoop(setting, steps=TIMED_STEPS).step, setting.batch)


def flax_evaluation(what: tuple[Setting, int]) -> Window:
    """Evaluations of (setting, tokens) in baseline (a): whole ones, at least one a window."""
    from flax_loop import FlaxLoop

    setting, limit = what
    loop, held_out = FlaxLoop(setting, steps=TIMED_STEPS), setting.corpus.held_out
    return _steps(lambda: loop.evaluate(held_out, setting.shape.context, limit), limit)


def flax_run(run: tuple[Setting, int, int, int]) -> Window:
    """A whole run of (setting, steps, seed, held-out tokens) in baseline (a), whatever the window's
    length."""
    from flax_loop import FlaxLoop

    from scaling.sweep.work import prepare_jax

    prepare_jax()
    setting, steps, seed, limit = run

    def window(seconds: float) -> tuple[float, float]:
        began = time.perf_counter()
        loop = FlaxLoop(setting, steps=steps, seed=seed)
        for _ in range(steps):
            loop.step()
        loop.evaluate(setting.corpus.held_out, setting.shape.context, limit)
        return steps * setting.recipe.batch_tokens, time.perf_counter() - began

    return window


def torch(setting: Setting) -> Window:
    """Baseline (b)."""
    from torch_loop import TorchLoop

    return _steps(TorchLoop(setting, steps=TIMED_STEPS).step, setting.batch)


def gemm(setting: None) -> Window:
    """The best float32 matrix product that NumPy or XLA offers here; its work is in FLOPs."""
    import jax

    a = np.random.default_rng(0).standard_normal((GEMM_SIZE, GEMM_SIZE), np.float32)
    on_device, product = jax.numpy.asarray(a), jax.jit(jax.numpy.matmul)
    with_numpy = _steps(lambda: a @ a, 2 * GEMM_SIZE**3)
    with_xla = _steps(lambda: product(on_device, on_device).block_until_ready(), 2 * GEMM_SIZE**3)

    def window(seconds: float) -> tuple[float, float]:
        runs = [with_numpy(seconds / 2), with_xla(seconds / 2)]
        return max(runs, key=lambda run: run[0] / run[1])

    return window


def same_model(setting: Setting) -> Window:
    """No workload, a check: both models have as many parameters and give the same loss.

    At the parameters of the Flax model, the PyTorch model must return the Flax model's loss in
    training (without dropout). The language models are drawn alike, too: there the first losses of
    both loops lie near each other.
    """
    import jax
    from flax_loop import FlaxLoop
    from torch_loop import TorchLoop, mean_loss
    from torch_models import take_flax

    if hasattr(setting.shape, "dropout"):
        setting = replace(setting, shape=replace(setting.shape, dropout=0.0))
    loop, twin = FlaxLoop(setting), TorchLoop(setting)
    ours = loop.state.params
    count = sum(leaf.size for leaf in jax.tree.leaves(ours))
    theirs = sum(p.numel() for p in twin.model.parameters())
    assert count == theirs == setting.shape.N_total, (count, theirs, setting.shape.N_total)
    take_flax(twin.model, loop.state.params)
    batch = next(setting.batches(seed=1))
    loss = float(jax.jit(loop.loss)(loop.state.params, loop.state.stats, batch, loop.key)[0])
    twin_loss = mean_loss(twin.model, batch).item()
    assert abs(loss - twin_loss) < SAME_LOSS * max(1, loss), (loss, twin_loss)
    if setting.unit == "token":
        starts = TorchLoop(setting).step(), loop.step()
        assert abs(starts[0] - starts[1]) < NEAR_LOSS * starts[0], starts
    return lambda seconds: (0.0, seconds)


def _steps(step: Callable[[], Any], work: float) -> Window:
    """A window of whole synchronous steps, after one that isn't counted."""

    def window(seconds: float) -> tuple[float, float]:
        step()
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            step()
            done += 1
        return done * work, time.perf_counter() - began

    step()  # compile
    return window
