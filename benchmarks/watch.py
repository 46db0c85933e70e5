"""What watching costs: a look, by how many cells there are; and a sweep with somebody looking on.

    python benchmarks/watch.py looks [--cells 100,1000,10000] [--s3]
    python benchmarks/watch.py sweep [--rounds 4] [--beside watch,live] [--times 1]

`looks`: CPU milliseconds and bytes read of the first look at a finished study, of one where nothing
is new, and of one where a cell is; on an S3 of this machine (moto's) the requests, too. The
baseline is reading all records each time. `sweep`: a real sweep of one worker, alone, with
`scaling watch --every 1` and with `scaling report --live` beside it, in turn, in every round;
ratios to the one alone are of the same round, with the 90 % interval of their mean by bootstrap.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from store import make, record

from scaling import files
from scaling.sweep.standing.looking import Looker
from scaling.sweep.storing.records import read_json, sealed
from scaling.watch.study import Watch

app = typer.Typer(add_completion=False)

WORDS = [
    "the",
    "a",
    "ship",
    "sailed",
    "over",
    "grey",
    "water",
    "and",
    "nobody",
    "knew",
    "where",
    "it",
    "would",
    "land",
    "again",
]
GRID = """
name = "watched"
[data]
source = "{folder}/*.txt"
held_out = 0.2
eval_tokens = 4096
[model]
context = 32
depth = 2
[train]
batch_tokens = 512
base_width = 16
warmup_steps = 4
[[pilots]]
widths = [16, 32]
tokens = {lengths}
seeds = [0, 1]
"""
BESIDE = {
    "watch": ("watch", "{folder}", "--every", "1", "--json"),
    "live": ("report", "{folder}", "--live", "--port", "0"),
}


@app.command()
def looks(
    cells: Annotated[str, typer.Option(help="Of the studies made up.")] = "100,1000,10000",
    s3: Annotated[bool, typer.Option("--s3", help="On an S3 of this machine, too.")] = False,
) -> None:
    """What one look costs."""
    with tempfile.TemporaryDirectory() as temporary:
        counts = [int(count) for count in cells.split(",")]
        for count in counts:
            folder = Path(temporary) / str(count)
            make(folder, count)
            _looks_at(folder, count)
        if s3:
            _on_s3(
                Path(temporary), [int(count) for count in cells.split(",") if int(count) <= 1000]
            )


def _looks_at(folder: Path, count: int) -> None:
    Watch(folder).look()  # what is imported is no part of it
    with _cost() as every:
        for run in files.names(folder / "cells"):
            read_json(folder / "cells" / run / "record.json")
    watch = Watch(folder)
    with _cost() as first:
        watch.look()
    found = []
    for _ in range(20):
        with _cost() as one:
            watch.look()
        found.append(one)
    again = {name: float(np.median([one[name] for one in found])) for name in found[0]}
    # a diverged one: it is read and shown, and enters no fit, which is told apart
    _add(folder, count, status="diverged", loss=float("nan"))
    watch = Watch(folder)
    watch.look()
    _add(folder, count + 1, status="diverged", loss=float("nan"))
    looker = watch._looker
    with _cost() as new:
        looker.look()
    print(f"{count:,} cells")
    for name, one in {
        "all records read, nothing checked": every, "first look, with the law's fits": first,
        "nothing is new": again, "one record is new": new,
    }.items():  # fmt: skip
        print(f"  {name:34} {one['ms']:9.1f} ms of a core  {one['bytes']:12,.0f} bytes read")


def _add(folder: Path, number: int, **changes: object) -> None:
    facts = {**record(number), **changes}
    place = folder / "cells" / str(facts["run"])
    place.mkdir()
    (place / "record.json").write_bytes(sealed(facts, {}))


@contextmanager
def _cost() -> Iterator[dict[str, float]]:
    """CPU milliseconds of this process, and the bytes that it asked files for."""
    told: dict[str, float] = {}
    read, began = _read_so_far(), time.process_time()
    yield told
    told |= {"ms": 1e3 * (time.process_time() - began), "bytes": _read_so_far() - read}


def _read_so_far() -> int:
    found = re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())
    assert found is not None
    return int(found[1])


def _on_s3(temporary: Path, counts: list[int]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from batteries.stores import fresh, make_bucket, s3_environment, s3_server

    with s3_server(temporary) as address:
        os.environ |= s3_environment(address)
        make_bucket()
        log = temporary / "s3.log"
        for count in counts:
            place = fresh("s3", temporary)
            place.fs.put(f"{temporary / str(count)}/", place.path, recursive=True)
            looker = Looker(place)
            for name in ("first look", "nothing is new"):
                before = len(log.read_text().splitlines())
                with _cost() as one:
                    looker.look()
                time.sleep(0.5)  # the log is written behind the answer
                requests = len(log.read_text().splitlines()) - before
                print(f"{count:,} cells on S3, {name}: {requests} requests, {one['ms']:.0f} ms")


@app.command()
def sweep(
    rounds: Annotated[int, typer.Option(min=2, help="Of all ways.")] = 4,
    beside: Annotated[str, typer.Option(help="Who looks on, in turn.")] = "watch,live",
    times: Annotated[int, typer.Option(min=1, help="So many times as long a training.")] = 1,
) -> None:
    """A real sweep, alone and watched."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ("alone", *beside.split(","))}
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        grid = _grid(home, times)
        _run(home / "first", grid, home / "cache")  # timings of shapes, and files read once
        for number in range(rounds):
            # in turn, so that nobody always comes first
            first = number % len(found)
            ways = list(found)[first:] + list(found)[:first]
            for way in ways:
                found[way].append(_run(home / f"{way}{number}", grid, home / "cache", way))
    print(f"{rounds} rounds of {len(ways)} sweeps, one worker")
    alone = found.pop("alone")
    print(f"alone: {_mean(alone, 'cpu'):.1f} s of a core, {_mean(alone, 'rate'):.1f} steps/s")
    for way, told in found.items():
        print(f"beside {way}, which took {_mean(told, 'own'):.2f} s of a core "
              f"({_mean(told, 'own') / _mean(told, 'wall'):.1%} of one)")  # fmt: skip
        for what, name in {
            "cpu": "the sweep's own CPU time",
            "rate": "its steps per second",
        }.items():
            ratios = [b[what] / a[what] for a, b in zip(alone, told, strict=True)]
            mean, low, high = _interval(ratios)
            print(f"  {name}: {mean:.3f} of alone, 90 % interval {low:.3f} to {high:.3f}")


def _mean(told: list[dict[str, float]], what: str) -> float:
    return float(np.mean([one[what] for one in told]))


def _interval(ratios: list[float]) -> tuple[float, float, float]:
    """Of the geometric mean."""
    logs = np.log(ratios)
    pick = np.random.default_rng(0).integers(len(logs), size=(4000, len(logs)))
    low, high = np.quantile(logs[pick].mean(axis=1), [0.05, 0.95])
    return tuple(float(np.exp(x)) for x in (logs.mean(), low, high))


def _grid(home: Path, times: int) -> Path:
    text, rng = home / "text", np.random.default_rng(0)
    text.mkdir()
    for n in range(16):
        (text / f"{n}.txt").write_text(" ".join(rng.choice(WORDS, 4000)))
    grid = home / "grid.toml"
    lengths = [times * tokens for tokens in (65_536, 131_072, 262_144)]
    grid.write_text(GRID.format(folder=text, lengths=lengths))
    return grid


def _run(folder: Path, grid: Path, cache: Path, way: str = "alone") -> dict[str, float]:
    """One sweep into a folder: CPU seconds of its processes, steps a second; the onlooker's own."""
    folder.mkdir()
    environment = {**os.environ, "SCALING_CACHE": str(cache)}
    scaling = [sys.executable, "-m", "scaling.cli"]
    onlooker, own = None, 0.0
    if way != "alone":
        command = [part.format(folder=folder) for part in BESIDE[way]]
        onlooker = subprocess.Popen([*scaling, *command], stdout=subprocess.PIPE, text=True)
        assert onlooker.stdout is not None
        onlooker.stdout.readline()  # it has begun, and is at rest
        own = _cpu_of(onlooker.pid)
    began = time.monotonic()
    ran = subprocess.Popen(
        [*scaling, "run", str(grid), "--out", str(folder), "--workers", "1"],
        env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(ran.pid, 0)
    ran.returncode = os.waitstatus_to_exitcode(status)
    assert ran.returncode == 0
    told = {"cpu": used.ru_utime + used.ru_stime, "wall": time.monotonic() - began, "own": 0.0}
    if onlooker is not None:
        if way == "live":
            told["own"] = _cpu_of(onlooker.pid) - own
            onlooker.terminate()
        _, _, used = os.wait4(onlooker.pid, 0)
        onlooker.returncode = 0
        if way == "watch":
            told["own"] = used.ru_utime + used.ru_stime - own
        onlooker.stdout.close()
    records = [read_json(folder / "cells" / run / "record.json")
               for run in files.names(folder / "cells")]  # fmt: skip
    told["rate"] = sum(r["steps"] for r in records) / sum(r["seconds"] for r in records)
    return told


def _cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    app()
