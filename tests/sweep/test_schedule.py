"""A schedule holds every task once, never more devices than there are, and keeps its bounds."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import InputError
from scaling.grid import Cell, Devices
from scaling.sweep.executors.contract import Needs
from scaling.sweep.planning.plan import by_length, costs
from scaling.sweep.planning.schedule import Schedule, Task, needs, schedule, tasks_of, width

SECONDS = st.integers(1, 40).map(float)


def most_at_once(tasks: list[Task], found: Schedule) -> int:
    """Devices that are held at the fullest moment, which is one where a task starts."""
    held = [
        sum(
            task.devices
            for task, start in zip(tasks, found.starts, strict=True)
            if start <= moment < start + task.seconds
        )
        for moment in found.starts
    ]
    return max(held, default=0)


@pytest.mark.parametrize(
    ("weights", "workers", "seconds"),
    [([5, 4, 3, 2], 2, 7), ([5, 4, 3, 2], 1, 14), ([5], 4, 5), ([3, 3, 2, 2, 2], 2, 7)],
)
def test_the_longest_start_first(weights: list[float], workers: int, seconds: float) -> None:
    assert schedule([Task(weight) for weight in weights], workers).seconds == seconds


def test_nothing_takes_no_time() -> None:
    assert schedule([], 3) == Schedule([], 0.0, 0.0)
    assert schedule([], 3).over_bound == 0


@settings(deadline=None)
@given(st.lists(st.builds(Task, SECONDS, st.integers(1, 4)), max_size=30), st.integers(4, 9))
def test_every_schedule_is_one_and_keeps_its_bounds(tasks: list[Task], devices: int) -> None:
    found = schedule(tasks, devices)
    ends = [start + task.seconds for start, task in zip(found.starts, tasks, strict=True)]
    assert found.seconds == max(ends, default=0.0)
    assert most_at_once(tasks, found) <= devices
    assert found.bound <= found.seconds <= 2 * found.bound
    # No device idles for long: a task starts at the beginning, or when another ends.
    assert set(found.starts) <= {0.0, *ends}


@settings(deadline=None)
@given(st.lists(SECONDS, min_size=1, max_size=6), st.integers(1, 3))
def test_longest_first_is_within_four_thirds_of_the_best(seconds: list[float], k: int) -> None:
    best = min(
        max(
            sum(s for s, chosen in zip(seconds, where, strict=True) if chosen == worker)
            for worker in range(k)
        )
        for where in product(range(k), repeat=len(seconds))
    )
    found = schedule([Task(s) for s in seconds], k)
    assert best <= found.seconds <= (4 / 3 - 1 / (3 * k)) * best + 1e-9


@settings(deadline=None)
@given(st.lists(SECONDS, max_size=30), st.integers(1, 9))
def test_order_and_scale_change_nothing(seconds: list[float], devices: int) -> None:
    tasks = [Task(s) for s in seconds]
    found = schedule(tasks, devices)
    assert schedule(tasks[::-1], devices).seconds == found.seconds
    assert schedule([Task(2 * s) for s in seconds], devices).seconds == 2 * found.seconds


def test_the_widest_start_first_and_narrow_ones_fill_the_gaps() -> None:
    tasks = [Task(1, 1), Task(2, 3), Task(2, 1), Task(1, 3)]
    found = schedule(tasks, 4)
    assert found.starts == [2, 0, 0, 2]
    assert found.seconds == 3
    assert found.bound == (1 + 6 + 2 + 3) / 4


def test_a_run_that_needs_more_devices_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="a run takes 8 devices together, and there are 4"):
        schedule([Task(1.0), Task(1.0, 8)], 4)


def test_trunks_become_tasks_of_their_devices(cells: list[Cell]) -> None:
    spread = [replace(cell, devices=Devices(data=2, fsdp=2)) for cell in cells]
    groups, weights = by_length(spread, costs(spread, {}))
    on_gpu = tasks_of(groups, weights, "gpu")
    assert [(task.seconds, task.devices) for task in on_gpu] == [(w, 4) for w in weights]
    # A CPU's simulated devices are of one process.
    assert {task.devices for task in tasks_of(groups, weights, "cpu")} == {1}
    assert width(spread[0], "tpu") == 4


def test_what_an_executor_is_told(cells: list[Cell]) -> None:
    timing = {"step": 0.5, "evaluation": 2.0, "start": 7.0}

    def told(**devices: int) -> Needs:
        cell = replace(cells[0], devices=Devices(data=4, **devices))
        return needs(cell, costs([cell], {cell.timing_key: timing})[cell.id])

    whole, shared = told(), told(hosts=2)
    assert (whole.devices, whole.processes, shared.devices, shared.processes) == (4, 1, 2, 2)
    assert whole.seconds == cells[0].steps * 0.5 + 2.0 + 7.0
    assert whole.memory_bytes > 0
