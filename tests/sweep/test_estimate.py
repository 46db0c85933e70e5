"""What the parts of a study cost: sums that can be redone by hand, and storage as files have it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scaling import families
from scaling.amounts import money, size, span
from scaling.grid import CHUNK_STEPS, Cell, Devices
from scaling.sweep.planning.estimate import COPIES, HOUR, parts
from scaling.sweep.planning.plan import costs, trunks
from scaling.train.telemetry import Chunk, frame

TIMING = {"step": 0.5, "evaluation": 2.0, "start": 7.0}


def timed(cells: list[Cell]) -> dict[str, dict[str, float]]:
    return {cell.timing_key: TIMING for cell in cells}


def test_a_part_and_the_study(cells: list[Cell]) -> None:
    known = costs(cells, timed(cells))
    half = len(cells) // 2
    named = [("pilots", cells[:half]), ("targets", cells[half:])]
    first, second, study = parts(named, known, devices=2, on="gpu", price=3.0)
    seconds = {cell.id: known[cell.id].seconds or 0.0 for cell in cells}
    assert study.device_seconds == pytest.approx(sum(seconds.values()))
    assert study.dollars == pytest.approx(3.0 * sum(seconds.values()) / HOUR)
    assert study.wall_seconds == (first.wall_seconds or 0) + (second.wall_seconds or 0)
    assert study.dollars_held == pytest.approx(3.0 * 2 * (study.wall_seconds or 0) / HOUR)
    assert study.flops == sum(cost.flops for cost in known.values())
    assert study.flops_apart == sum(cell.C for cell in cells)
    assert study.longest_seconds == max(
        sum(seconds[c.id] for c in group) for _, part in named for group in trunks(part).values()
    )


def test_a_run_over_several_devices_works_on_all_of_them(cells: list[Cell]) -> None:
    spread = [replace(cell, devices=Devices(fsdp=4)) for cell in cells]
    known = costs(spread, timed(spread))
    seconds = sum(cost.seconds or 0.0 for cost in known.values())
    on_gpu = parts([("pilots", spread)], known, devices=4, on="gpu", price=None)[-1]
    assert on_gpu.device_seconds == pytest.approx(4 * seconds)
    assert on_gpu.wall_seconds == pytest.approx(seconds)  # one at a time
    assert on_gpu.dollars is None
    on_cpu = parts([("pilots", spread)], known, devices=4, on="cpu", price=None)[-1]
    assert on_cpu.device_seconds == pytest.approx(seconds)


def test_checkpoints_are_counted_where_most_are_at_work(cells: list[Cell]) -> None:
    known = costs(cells, {})
    states = sorted((known[g[0].id].checkpoint_bytes for g in trunks(cells).values()), reverse=True)
    for devices in (1, 2, 100):
        study = parts([("pilots", cells)], known, devices=devices, on="cpu", price=None)[-1]
        assert study.storage.checkpoints == COPIES * sum(states[:devices])
    assert study.wall_seconds is study.dollars is None


@pytest.mark.parametrize(("width", "depth", "chunks"), [(16, 1, 20), (64, 4, 150)])
def test_curves_take_the_room_that_files_take(
    width: int, depth: int, chunks: int, cells: list[Cell], tmp_path: Path
) -> None:
    dials = {"width": width, "depth": depth, "vocab": 256, "context": 16}
    shape = families.get("transformer").from_dials(**dials)
    cell = replace(cells[0], shape=shape, steps=CHUNK_STEPS * chunks)
    # Blocks as telemetry has them: embedding, attention and MLP of each block, norm, head.
    blocks = [f"block_{n}" for n in range(2 * depth + 3)]
    rng = np.random.default_rng(0)

    def numbers(count: int) -> np.ndarray:
        return rng.random(count, np.float32)

    told = [
        Chunk(
            first_step=CHUNK_STEPS * n,
            loss=numbers(CHUNK_STEPS),
            grad_norm=numbers(CHUNK_STEPS),
            learning_rate=numbers(CHUNK_STEPS),
            skipped=np.zeros(CHUNK_STEPS, bool),
            nonfinite=np.zeros(CHUNK_STEPS, np.int32),
            grad_by_block=numbers(len(blocks)),
            update_by_block=numbers(len(blocks)),
            activation_by_block=numbers(len(blocks)),
            attention_logit=float(rng.random()),
            seconds=float(rng.random()),
            waited=float(rng.random()),
        )
        for n in range(chunks)
    ]
    path = tmp_path / "curve.parquet"
    frame(told, blocks, unit="token", batch=128, held_out={}).to_parquet(path, index=False)
    (study,) = parts([("pilots", [cell])], costs([cell], {}), devices=1, on="cpu", price=None)[1:]
    assert study.storage.curves == pytest.approx(path.stat().st_size, rel=0.25)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (size(12), "12 B"), (size(1500), "1.5 kB"), (size(2.5e9), "2.5 GB"),
        (size(4e15), "4,000 TB"), (span(0.25), "0.25 s"), (span(75), "1 min 15 s"),
        (span(3599.6), "1 h 00 min"), (span(3600 * 30 + 60), "30 h 01 min"),
        (money(1234.5), "$1,234.50"), (money(0.00123), "$0.00123"), (money(0), "$0.00"),
    ],
)  # fmt: skip
def test_amounts_read_well(told: str, words: str) -> None:
    assert told == words
