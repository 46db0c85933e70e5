"""What a benchmark process does: each function here builds one workload, ready to be timed.

A workload is called with the length of a window in seconds; it returns the work done (tokens, or
FLOPs) and the seconds it took, waiting for everything that it started.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from setting import TIMED_STEPS, Setting

Window = Callable[[float], tuple[float, float]]
GEMM_SIZE = 2048
SAME_LOSS = 1e-4
# Two draws of the same small initialisation, as a share of the loss.
NEAR_LOSS = 0.2


def engine(setting: Setting) -> Window:
    """Our engine's inner loop: chunks of steps on data that lies on the device."""
    import jax

    from scaling.data import WindowOrder
    from scaling.grid import CHUNK_STEPS
    from scaling.sweep.run import prepare_jax
    from scaling.train import schedule
    from scaling.train.step import Program

    prepare_jax()
    recipe, context = setting.recipe, setting.shape.context
    program = Program(setting.family, setting.shape, recipe)
    tokens = jax.numpy.asarray(np.asarray(setting.corpus.train))
    order = WindowOrder(len(tokens), context, setting.windows, 0)
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
        starts = order.starts(step, CHUNK_STEPS)
        noise = schedule.noise(0, step, CHUNK_STEPS)
        state, telemetry = program.chunk(state, tokens, starts, rates, noise)
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
        return (step - first) * recipe.batch_tokens, time.perf_counter() - began

    return window


def flax(setting: Setting) -> Window:
    """Baseline (a)."""
    from flax_loop import FlaxLoop

    from scaling.sweep.run import prepare_jax

    prepare_jax()
    return _steps(FlaxLoop(setting, steps=TIMED_STEPS).step, setting.recipe.batch_tokens)


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

    from scaling.sweep.run import prepare_jax

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

    return _steps(TorchLoop(setting, steps=TIMED_STEPS).step, setting.recipe.batch_tokens)


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

    At the parameters of the Flax model, the PyTorch model must return the Flax model's loss; at
    its own, freshly drawn ones, its first loss must lie near the Flax loop's first loss.
    """
    import jax
    import optax
    from flax_loop import FlaxLoop
    from torch import from_numpy
    from torch_loop import TorchLM, TorchLoop, mean_loss

    loop = FlaxLoop(setting)
    ours = loop.state.params
    count = sum(leaf.size for leaf in jax.tree.leaves(ours))
    twin = TorchLM(setting.shape)
    theirs = sum(p.numel() for p in twin.parameters())
    assert count == theirs == setting.shape.N_total, (count, theirs, setting.shape.N_total)
    twin.take_flax(ours["params"])
    inputs, labels = next(setting.batches(seed=1))
    logits = loop.state.apply_fn(ours, inputs)
    loss = float(optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean())
    twin_loss = mean_loss(twin, from_numpy(inputs), from_numpy(labels.copy())).item()
    assert abs(loss - twin_loss) < SAME_LOSS, (loss, twin_loss)
    starts = loop.step(), TorchLoop(setting).step()
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
