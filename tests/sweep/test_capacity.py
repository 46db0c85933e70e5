"""What a device holds: limits of the system are found, and cells that are too large named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scaling.grid import Cell
from scaling.sweep.planning import capacity
from scaling.sweep.planning.capacity import granted, host_memory, memory_here, too_large
from scaling.sweep.planning.plan import costs


def test_cells_beyond_a_devices_memory_are_named(cells: list[Cell]) -> None:
    known = costs(cells, {})
    needed = {cell.id: known[cell.id].memory_bytes + known[cell.id].data_bytes for cell in cells}
    most = max(needed.values())
    assert too_large(cells, known, most, streamed=False) == []
    large = too_large(cells, known, most - 1, streamed=False)
    assert {cell.id for cell in large} == {run for run, size in needed.items() if size == most}
    assert too_large(cells, known, 0, streamed=False) == cells


def test_streamed_items_stay_on_the_host(cells: list[Cell]) -> None:
    known = costs(cells, {})
    room = max(cost.memory_bytes for cost in known.values())
    assert too_large(cells, known, room, streamed=True) == []
    assert too_large(cells, known, room, streamed=False)


def test_this_machine_has_memory() -> None:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 2**27 < host_memory() <= physical


def test_the_smallest_limit_of_the_groups_above_counts(tmp_path: Path) -> None:
    root, own = tmp_path / "fs", tmp_path / "cgroup"
    for folder, limit in (("a/b", "max"), ("a", "5000"), ("", "9000"), ("other", "1")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "memory.max").write_text(f"{limit}\n")
    own.write_text("0::/a/b\n")
    assert sorted(granted(own, root)) == [5000, 9000]


def test_limits_of_the_first_version_count_too(tmp_path: Path) -> None:
    root, own = tmp_path / "fs", tmp_path / "cgroup"
    (root / "memory" / "job").mkdir(parents=True)
    (root / "memory" / "job" / "memory.limit_in_bytes").write_text("7000\n")
    own.write_text("5:cpu,cpuacct:/job\n4:memory:/job\n")
    assert granted(own, root) == [7000]


def test_no_groups_no_limits(tmp_path: Path) -> None:
    assert granted(tmp_path / "none", tmp_path) == []


def test_a_cpu_has_its_hosts_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert memory_here(0) == host_memory()


def test_an_accelerator_is_asked_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    capacity.accelerator_memory.cache_clear()
    monkeypatch.setattr(capacity, "_ASK", "print('a line of warnings'); print(12345)")
    assert memory_here(1e9) is None  # it has that much, whatever it is
    assert memory_here(1e10) == 12345
    for nothing in ("print('')", "raise SystemExit(1)"):
        capacity.accelerator_memory.cache_clear()
        monkeypatch.setattr(capacity, "_ASK", nothing)
        assert memory_here(1e10) is None
    capacity.accelerator_memory.cache_clear()
