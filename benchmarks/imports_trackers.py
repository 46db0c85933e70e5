"""How fast W&B's and TensorBoard's files are read, and in how much memory.

    python benchmarks/imports_trackers.py [--runs 10000] [--points 1000] [--baseline 20] [--json]

One run of so many points (two curves) is written by each tool's own library and linked under so
many names; every run is read in full. Baselines, on `--baseline` of them: EventAccumulator
with all points kept, and for W&B, whose package no longer has a reader, a loop over the file's
records with its generated protobuf classes. Seconds are of CPU, peak memory is of the process that
reads, measured at a tenth of the runs and at all of them.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

from scaling import importers


def main(
    runs: Annotated[int, typer.Option(min=10, help="Runs to read.")] = 10_000,
    points: Annotated[int, typer.Option(min=1, help="Points of each.")] = 1000,
    baseline: Annotated[int, typer.Option(min=1, help="Runs for the baseline.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure both readers and their baselines."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (write, _) in TOOLS.items():
            file = write(Path(folder, f"{name}-one"), points)
            counts = {"tenth": runs // 10, "all": runs, "baseline": baseline}
            sources = {w: _linked(file, Path(folder, name, w), n) for w, n in counts.items()}
            tenth = _apart(_ours, name, sources["tenth"])
            whole = _apart(_ours, name, sources["all"])
            theirs = _apart(_theirs, name, sources["baseline"])
            each, each_of_theirs = whole["seconds"] / runs, theirs["seconds"] / baseline
            found[name] = {
                "seconds": whole["seconds"], "ms_a_run": 1e3 * each,
                "baseline_ms_a_run": 1e3 * each_of_theirs, "ratio": each_of_theirs / each,
                "peak_mb_tenth": tenth["mb"], "peak_mb": whole["mb"],
            }  # fmt: skip
    if as_json:
        print(json.dumps(found))
        return
    print(f"{runs:,} runs of {points:,} points, read in full")
    for name, told in found.items():
        print(
            f"{name:<12} {told['seconds']:.1f} s of CPU, {told['ms_a_run']:.2f} ms a run, "
            f"{told['ratio']:.1f} times as fast as the baseline ({told['baseline_ms_a_run']:.1f}); "
            f"peak {told['peak_mb']:.0f} MB ({told['peak_mb_tenth']:.0f} at a tenth of the runs)"
        )


def _linked(file: Path, folder: Path, count: int) -> str:
    """The same run under so many names: a link each, so that no disk is measured."""
    for index in range(count):
        run = folder / f"run-{index:06}"
        run.mkdir(parents=True)
        os.link(file, run / file.name)
    return str(folder)


def _apart(job: Callable[[str, str], int], name: str, source: str) -> dict[str, float]:
    """In a process of its own: CPU seconds and peak memory."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (job, name, source))


def _measured(job: Callable[[str, str], int], name: str, source: str) -> dict[str, float]:
    job(name, str(Path(source, "run-000000")))  # imports, and tables that are made once
    began = time.process_time()
    job(name, source)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "mb": peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)}


def _ours(name: str, source: str) -> int:
    return sum(len(values) for run in importers.get(name).read(source)
               for values in run.history.values())  # fmt: skip


def _theirs(name: str, source: str) -> int:
    _, peer = TOOLS[name]
    return sum(peer(file) for file in Path(source).rglob("*") if file.is_file())


def _write_wandb(folder: Path, points: int) -> Path:
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    import wandb

    folder.mkdir()
    run = wandb.init(project="benchmark", id="one", dir=str(folder), mode="offline",
                     settings=wandb.Settings(silent=True, console="off"))  # fmt: skip
    for step in range(points):
        run.log({"train/loss": 3 + 1 / (step + 1), "train/tokens": 4096 * step}, step=step)
    run.finish()
    wandb.teardown()
    return next(folder.rglob("*.wandb"))


def _write_tensorboard(folder: Path, points: int) -> Path:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for step in range(points):
        for tag, value in (("train/loss", 3 + 1 / (step + 1)), ("train/tokens", 4096 * step)):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            writer.add_event(Event(step=step, wall_time=time.time(), summary=summary))
    writer.close()
    return next(folder.iterdir())


def _accumulated(file: Path) -> int:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(file), size_guidance={"scalars": 0})
    events.Reload()
    return sum(len([each.value for each in events.Scalars(t)]) for t in events.Tags()["scalars"])


def _parsed(file: Path) -> int:
    count = 0
    for record in _records(file.read_bytes()):
        for item in record.history.item:
            value = json.loads(item.value_json)
            count += isinstance(value, int | float)
        for item in record.summary.update:
            json.loads(item.value_json)
    return count


def _records(data: bytes) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    at, pieces = 7, b""
    while at < len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        pieces += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield Record.FromString(pieces)
            pieces = b""


TOOLS: dict[str, tuple[Callable[[Path, int], Path], Callable[[Path], int]]] = {
    "tensorboard": (_write_tensorboard, _accumulated),
    "wandb": (_write_wandb, _parsed),
}

if __name__ == "__main__":
    typer.run(main)
