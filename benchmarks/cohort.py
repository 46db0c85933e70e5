"""Small runs as one program (a cohort) against one after another: the ratio of their speeds.

    python benchmarks/cohort.py [--runs 16] [--width 24] [--rounds 5] [--seconds 2] [--json]

Both programs are built once in this process, and then take turns in windows; a ratio is of one
round, the median over rounds is printed with its range. Only chunks of training steps are timed. On
a GPU the cohort is to win; on a CPU it loses, and the sweep doesn't use it there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Annotated, Any

import jax
import typer
from setting import made_data, text_setting

from scaling.grid import CHUNK_STEPS
from scaling.sweep.work import machine, prepare_jax
from scaling.train import schedule
from scaling.train.cohort import Cohort, Together
from scaling.train.step import Program
from scaling.train.tasks import feed_of


def main(
    runs: Annotated[int, typer.Option(min=2, help="Members of the cohort.")] = 16,
    width: Annotated[int, typer.Option(help="Width of the language model.")] = 24,
    rounds: Annotated[int, typer.Option(min=1, help="Windows of each.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.01, help="Length of a window.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the gain of a cohort."""
    prepare_jax()
    setting = text_setting(width)
    feed = feed_of(setting.cell, made_data(setting))
    program = Program(setting.family, setting.shape, setting.recipe)
    together = Together(program, Cohort(runs))
    picks, noise = feed.picks(0, CHUNK_STEPS), schedule.noise(0, 0, CHUNK_STEPS)
    rates = schedule.rates(0, CHUNK_STEPS, peak=3e-3, warmup=64, cool_from=None, cool_steps=0)
    states = [program.init(jax.random.key(seed)) for seed in range(runs)]

    def one_by_one(states: list[Any]) -> list[Any]:
        return [program.chunk(state, feed.arrays, picks, rates, noise)[0] for state in states]

    def as_cohort(states: list[Any]) -> list[Any]:
        steps = [(picks, rates, noise)] * runs
        return [state for state, _ in together.all_at_once(states, feed.arrays, steps)]

    ratios, speeds = [], []
    for _ in range(rounds):
        states, alone = window(one_by_one, states, seconds)
        states, cohort = window(as_cohort, states, seconds)
        ratios.append(cohort / alone)
        speeds.append((alone, cohort))
    tokens = runs * CHUNK_STEPS * setting.batch
    told = {
        "machine": machine(),
        "device": jax.devices()[0].device_kind,
        "runs": runs,
        "parameters": setting.shape.N_total,
        "tokens_per_second_one_by_one": tokens * median(alone for alone, _ in speeds),
        "tokens_per_second_as_cohort": tokens * median(cohort for _, cohort in speeds),
        "ratio": median(ratios),
        "range": [min(ratios), max(ratios)],
    }
    if as_json:
        print(json.dumps(told))
        return
    print(
        f"{told['device']}: {runs} runs of {told['parameters']:,} parameters, as a cohort "
        f"{told['ratio']:.2f} times as fast as one after another "
        f"({min(ratios):.2f} to {max(ratios):.2f}), "
        f"{told['tokens_per_second_as_cohort']:,.0f} tokens/s"
    )


def window(
    chunk: Callable[[list[Any]], list[Any]], states: list[Any], seconds: float
) -> tuple[list[Any], float]:
    """The states after it, and how often all members took a chunk in a second."""
    states = jax.block_until_ready(chunk(states))
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        states = jax.block_until_ready(chunk(states))
        done += 1
    return states, done / (time.perf_counter() - began)


if __name__ == "__main__":
    typer.run(main)
