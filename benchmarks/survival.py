"""What watching a run and being able to save it cost: telemetry, policies, checkpoints.

    python benchmarks/survival.py [--rounds 41] [--seconds 0.2] [--json]

Three ways to train the same cell take turns in one process, pinned to one core:

- bare: the step without telemetry and without the guard that leaves out steps that are not finite;
- telemetry: the engine's program: the guard, and all it tells, read once a chunk;
- all: the engine's course on top of it: its watch, snapshots to rewind to as often as a grid has
  them by default, a checkpoint of the trunk written in the background every ten seconds (the
  engine's own: once a minute).

Time is the process's CPU time, all its threads together, so that what else the machine does counts
less. Ratios to bare are taken within a round; printed is the median over rounds with its quartiles.
A last line says how long a process takes from its start to the first step of a run that it resumes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import jax
import optax
import typer
from setting import Setting, image_setting, made_data, text_setting

from scaling.devices import cores
from scaling.grid import CHUNK_STEPS, Recovery
from scaling.sweep.work import machine, prepare_jax
from scaling.train import checkpoint, schedule
from scaling.train.course import Course
from scaling.train.log import Log
from scaling.train.step import Program, State
from scaling.train.tasks import feed_of

SETTINGS: dict[str, Callable[[], Setting]] = {
    "transformer 24": lambda: text_setting(24),
    "transformer 64": lambda: text_setting(64),
    "mlp": lambda: image_setting("mlp", 1e5),
    "cnn": lambda: image_setting("cnn", 1e4),
    "vit": lambda: image_setting("vit", 1e4),
}
CHECKPOINT_SECONDS = 10.0
Chunks = Callable[[int], None]  # trains so many chunks and waits for them


class Bare(Program):
    """The same training step, telling its loss and nothing else."""

    def _step(self, arrays: Any, state: State, now: Any) -> Any:
        picks, rate, noise = now

        def total(params: Any) -> Any:
            variables = {"params": params, **state.stats}
            loss, changed = self.task.loss(variables, arrays, picks, jax.random.key(noise))
            changed.pop("telemetry", None)
            penalties = jax.tree.leaves(changed.pop("losses", {}))
            return sum(penalties, start=loss), (loss, changed)

        grads, (loss, stats) = jax.grad(total, has_aux=True)(state.params)
        updates, optimiser = self._direction.update(grads, state.optimiser, state.params)
        params = jax.tree.map(
            lambda p, u, m: p - rate * m * u, state.params, updates, self._multipliers(state.params)
        )
        return State(params, optimiser, stats, ()), (loss, optax.tree.norm(grads))

    def _told(self, told: Any, before: Any, after: Any) -> Any:
        return told


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Windows of each way.")] = 41,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of a window.")] = 0.2,
    only: Annotated[str, typer.Option(help=f"One of: {', '.join(SETTINGS)}.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the overhead of telemetry, policies and checkpoints."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cores()[-1]})
    prepare_jax()
    found = {name: measure(make(), rounds, seconds)
             for name, make in SETTINGS.items() if only in ("", name)}  # fmt: skip
    report = {"machine": machine(), "rounds": rounds, "seconds": seconds, "settings": found,
              "restart_seconds": [restart() for _ in range(3)]}  # fmt: skip
    if as_json:
        print(json.dumps(report, indent=1))
        return
    for name, ways in found.items():
        for way in ("telemetry", "all"):
            r = ways[way]
            spread = f"[{r['low']:.3f}, {r['high']:.3f}]"
            step = f"bare step {ways['bare_step_ms']:.2f} ms of CPU"
            print(f"{name:<15} {way:<10} {r['median']:.3f} of bare {spread}   {step}")
    print("restart, warm cache, to the first step:", " ".join(
        f"{s:.1f}" for s in report["restart_seconds"]), "s")  # fmt: skip


def measure(setting: Setting, rounds: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        writer = checkpoint.Writer(Path(folder) / "trunk.npz", {})
        ways = {
            "bare": program(setting, Bare),
            "telemetry": program(setting, Program),
            "all": engine(setting, writer),
        }
        spent: dict[str, list[float]] = {name: [] for name in ways}
        count = {name: chunks_in(seconds, way) for name, way in ways.items()}["bare"]
        for turn in range(rounds):
            for name in list(ways)[:: -1 if turn % 2 else 1]:
                spent[name].append(cpu_seconds(lambda name=name: ways[name](count)))
        writer.close()
    ratios = {
        name: sorted(a / b for a, b in zip(spent[name], spent["bare"], strict=True))
        for name in ("telemetry", "all")
    }
    return {
        "bare_step_ms": 1e3 * median(spent["bare"]) / count / CHUNK_STEPS,
        **{
            n: {"median": median(r), "low": r[len(r) // 4], "high": r[-1 - len(r) // 4]}
            for n, r in ratios.items()
        },
    }


def program(setting: Setting, kind: type[Program]) -> Chunks:
    """Chunks of a program, each read one chunk later, as in the engine."""
    compiled, recipe = kind(setting.family, setting.shape, setting.recipe), setting.recipe
    feed = feed_of(setting.cell, made_data(setting))
    state, step = compiled.init(jax.random.key(0)), 0

    def chunks(count: int) -> None:
        nonlocal state, step
        pending = None
        for _ in range(count):
            rates = schedule.rates(
                step, CHUNK_STEPS, peak=recipe.learning_rate, warmup=recipe.warmup_steps,
                cool_from=None, cool_steps=0,
            )  # fmt: skip
            picks, noise = feed.picks(step, CHUNK_STEPS), schedule.noise(0, step, CHUNK_STEPS)
            state, told = compiled.chunk(state, feed.arrays, picks, rates, noise)
            step += CHUNK_STEPS
            jax.device_get(pending)
            pending = told
        jax.device_get(pending)

    return chunks


def engine(setting: Setting, writer: checkpoint.Writer) -> Chunks:
    """A trunk's course with everything that may save it."""
    cell = replace(setting.cell, recovery=Recovery(rewinds=1))
    feed = feed_of(cell, made_data(setting))
    compiled = Program(cell.family, cell.shape, cell.recipe)
    state = compiled.init(jax.random.key(0))
    run = Course(cell, compiled, feed, state, 0, Log(), lambda chunk, findings: None)

    kept_at = time.perf_counter()

    def keep() -> None:  # called at the end of every window
        nonlocal kept_at
        if time.perf_counter() - kept_at < CHECKPOINT_SECONDS:
            return
        kept_at = time.perf_counter()
        writer.save(checkpoint.Stored(run.state, run.step, run.log, run.step, 0.0, 0))

    def chunks(count: int) -> None:
        run.advance(run.step + count * CHUNK_STEPS)
        keep()
        if run.ended:
            raise SystemExit(f"the benchmark's own run ended: {run.failure}")

    return chunks


def cpu_seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def chunks_in(seconds: float, way: Chunks) -> int:
    """How many chunks fill a window; compiles."""
    way(1)
    return max(2, round(seconds / max(1e-4, cpu_seconds(lambda: way(2)) / 2)))


def restart() -> float:
    """Seconds from a process's start to the first chunk of a resumed run, all compiled before."""
    code = "import survival; survival.first_step()"
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=True)
    return time.perf_counter() - began


def first_step() -> None:
    """What a restarted worker does until its first chunk has ended."""
    prepare_jax()
    setting = text_setting(24)
    with tempfile.TemporaryDirectory() as folder:
        writer = checkpoint.Writer(Path(folder) / "trunk.npz", {})
        engine(setting, writer)(1)
        writer.close()


if __name__ == "__main__":
    typer.run(main)
