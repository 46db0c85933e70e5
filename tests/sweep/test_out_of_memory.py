"""Memory that runs out in one worker is one cell's failure, and its record says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from scaling.data import load
from scaling.grid import parse_grid, plan
from scaling.sweep import run
from scaling.sweep.executors.contract import Executor
from scaling.sweep.executors.debug import Debug
from scaling.sweep.executors.local import Local
from scaling.sweep.storing.store import Store
from scaling.sweep.work import Order, prepare_jax, work

resource = pytest.importorskip("resource", reason="limits of memory are Unix's")

SPARE, GREEDY = 1 << 30, 4096  # bytes beside what is held; a width whose state takes 2.4 GB


def limited(order: Order) -> list[str]:
    """`work`, with little room beside what the process holds once it has compiled something."""
    prepare_jax()
    import jax

    jax.jit(lambda x: x + 1)(1.0)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    greedy = order.cells[0].shape.to_dict()["width"] == GREEDY
    if greedy:
        resource.setrlimit(resource.RLIMIT_AS, (held + SPARE, before[1]))
    try:
        return work(order)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def refused(order: Order) -> list[str]:
    """`work`, as it ends where no part of a batch is small enough."""
    if order.cells[0].shape.to_dict()["width"] == GREEDY:
        raise MemoryError("out of memory with 1 of 8 examples at a time")
    return work(order)


def records_of(
    grid_text: str, folder: Path, cache: Path, executor: Executor, work: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> list[dict[str, Any]]:  # fmt: skip
    """Of two cells, one that is well and one that is greedy."""
    text = grid_text.replace("widths = [8, 16]", f"widths = [8, {GREEDY}]")
    text = text.replace("tokens = [8192, 16384]", "tokens = [4096]")
    text = text.replace("seeds = [0, 1]", "seeds = [0]")
    grid = parse_grid(text.replace("[[pilots]]", "[recovery]\nretries = 1\n[[pilots]]"))
    corpus = load(grid.data.source, held_out=grid.data.held_out, cache=cache / "data")
    cells, store = plan(grid, corpus), Store(folder / "study")
    store.open(grid, text, {})
    monkeypatch.setattr(run, "work", work)
    run.train(cells, grid.data, store, executor, timings={})
    records = [store.record(cell.id) for cell in cells]
    return [record for record in records if record is not None]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc to read the use from")
def test_out_of_memory_leaves_the_others_alone(
    grid_text: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(cache))
    with Local(2, 300.0) as executor:
        well, greedy = records_of(grid_text, tmp_path, cache, executor, limited, monkeypatch)
    assert well["status"] == "finished"
    assert greedy["status"] == "failed"
    assert "out of memory" in greedy["reason"].lower()
    assert "2 times" in greedy["reason"]


def test_a_batch_of_no_small_enough_part_is_that_cells_failure(
    grid_text: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(cache))
    well, greedy = records_of(grid_text, tmp_path, cache, Debug(), refused, monkeypatch)
    assert (well["status"], greedy["status"]) == ("finished", "failed")
    assert "out of memory with 1 of 8 examples at a time, 2 times" in greedy["reason"]
