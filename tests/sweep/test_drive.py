"""The driver, over executors that do what a test tells them: what it hears, waits for, redoes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scaling import files
from scaling.errors import InputError
from scaling.grid import Cell, Grid
from scaling.sweep import onlook
from scaling.sweep.crew import PREEMPTIONS, Crew
from scaling.sweep.executors.contract import Call, End, Executor, LostError
from scaling.sweep.executors.debug import Debug
from scaling.sweep.run import train
from scaling.sweep.storing.store import Store
from scaling.sweep.work import Order, Trained
from scaling.train import stopping

CURVE = pd.DataFrame({"step": [16], "tokens": [2048], "loss": [2.0]})
PATIENCE_SECONDS = 20.0


class Scripted(Executor):
    """Each submitted order goes to `act(order, nth)`, in a thread: what that returns or raises is
    how the call ends."""

    def __init__(self, act: Callable[[Order, int], Any], *, speaks: bool = True) -> None:
        self.act, self.speaks = act, speaks  # type: ignore[misc]  # a class variable elsewhere
        self.orders: list[Order] = []
        self.ended: list[tuple[End, str]] = []
        self._futures: list[Future[Any]] = []

    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        return [self._submitted(call) for call in calls]

    def end(self, future: Future[Any], label: End = "killed", told: str = "") -> None:
        self.ended.append((label, told))
        if not future.done():
            future.set_exception(LostError(label, told))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """There is nothing to let go of."""

    def _submitted(self, call: Call) -> Future[Any]:
        future: Future[Any] = Future()
        order, nth = call.args[0], len(self.orders)
        self.orders.append(order)

        def run() -> None:
            try:
                value = self.act(order, nth)
            except Exception as error:
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(value)

        threading.Thread(target=run, daemon=True).start()
        return future


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping.clear()
    monkeypatch.setattr(onlook, "LOOK_SECONDS", 0.05)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "study")


@pytest.fixture
def heard() -> list[Trained]:
    return []


def record_of(cell: Cell, status: str = "finished") -> dict[str, Any]:
    measured = {
        "loss": 1.5, "loss_se": 0.01, "train_loss": 1.0, "status": status, "reason": "",
        "seconds": 1.0, "steps": cell.steps,
    }  # fmt: skip
    return {**cell.facts(), **measured}


def save(store: Store, cells: Sequence[Cell]) -> None:
    for cell in cells:
        store.save(cell, record_of(cell), CURVE)


def trunk_of(cells: list[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.trunk == cells[0].trunk]


def claim(store: Store, trunk: str, number: int = 1, **facts: Any) -> files.Place:
    """As a worker on another machine makes and renews it."""
    holder = {"host": "other", "machine": "another boot", "pid": 7, "token": "t"}
    path = store.folder / "claims" / f"{trunk}.{number}"
    files.write(path, json.dumps({"holder": holder, "beat": 0, **facts}).encode())
    return path


def test_an_order_holds_all_that_a_worker_needs(
    store: Store, cells: list[Cell], grid: Grid, heard: list[Trained]
) -> None:
    executor = Scripted(lambda order, nth: save(store, order.cells) or [])
    train(cells, grid.data, store, executor, timings={}, on_event=heard.append, study="tiny")
    assert sorted(c.id for order in executor.orders for c in order.cells) == sorted(
        cell.id for cell in cells
    )
    for order in executor.orders:
        assert {cell.trunk for cell in order.cells} == set(order.like)
        assert (order.folder, order.study, order.dead) == (str(store.folder), "tiny", {})
    told = [event.record["run"] for event in heard if event.record]
    assert sorted(told) == sorted(cell.id for cell in cells)  # each once, though none was sent
    train(cells, grid.data, store, executor, timings={})
    assert len(executor.orders) == len({cell.trunk for cell in cells})  # nothing was left to do


def test_what_silent_workers_do_is_read_from_the_store(
    store: Store, cells: list[Cell], grid: Grid, heard: list[Trained]
) -> None:
    def act(order: Order, nth: int) -> list[str]:
        path = claim(store, order.cells[0].trunk, step=16, loss=3.0)
        time.sleep(0.5)
        claim(store, order.cells[0].trunk, step=48, loss=2.0)
        save(store, order.cells[:1])
        time.sleep(0.5)
        save(store, order.cells[1:])
        files.remove(path)
        return []

    one = trunk_of(cells)
    train(one, grid.data, store, Scripted(act, speaks=False), timings={}, on_event=heard.append)
    steps = [(event.step, event.loss) for event in heard if event.record is None]
    assert steps == [(16, 3.0), (48, 2.0)]
    assert sum(event.steps for event in heard) == 48
    told = [event.record["run"] for event in heard if event.record]
    assert told == [cell.id for cell in sorted(one, key=lambda cell: cell.steps)]


def test_silent_work_that_stands_still_is_ended_and_done_again(
    store: Store, cells: list[Cell], grid: Grid
) -> None:
    def act(order: Order, nth: int) -> list[str]:
        path = claim(store, order.cells[0].trunk, number=nth + 1, step=16, cpu=1.0)
        if nth == 0:
            for beat in range(200):  # its process lives, and nothing more
                time.sleep(0.05)
                claim(store, order.cells[0].trunk, beat=beat, step=16, cpu=1.0)
        save(store, order.cells)
        files.remove(path)
        return []

    recovery = cells[0].recovery.model_copy(update={"hang_seconds": 0.5})
    one = [replace(cell, recovery=recovery) for cell in trunk_of(cells)]
    executor = Scripted(act, speaks=False)
    train(one, grid.data, store, executor, timings={})
    assert [label for label, _ in executor.ended] == ["hung"]
    assert "no sign of progress for" in executor.ended[0][1]
    assert len(executor.orders) == 2


def test_the_work_of_another_driver_is_waited_for_and_told(
    store: Store, cells: list[Cell], grid: Grid, heard: list[Trained]
) -> None:
    one = trunk_of(cells)
    path = claim(store, one[0].trunk, step=32, loss=2.5)

    def other() -> None:
        time.sleep(0.5)
        save(store, one)
        files.remove(path)

    def act(order: Order, nth: int) -> list[str]:
        mine = [cell for cell in order.cells if cell.trunk != one[0].trunk]
        save(store, mine)
        return [] if mine else [one[0].trunk]

    threading.Thread(target=other).start()
    executor = Scripted(act)
    train(cells, grid.data, store, executor, timings={}, on_event=heard.append)
    assert len(executor.orders) == len({cell.trunk for cell in cells})
    told = [event.record["run"] for event in heard if event.record]
    assert sorted(told) == sorted(cell.id for cell in cells)
    assert (32, 2.5) in [(event.step, event.loss) for event in heard]


def test_what_another_driver_leaves_or_dies_over_is_taken_up(
    store: Store, cells: list[Cell], grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaling.sweep.storing.claims.LEASE_SECONDS", 0.3)
    one = trunk_of(cells)
    claim(store, one[0].trunk, number=3)

    def act(order: Order, nth: int) -> list[str]:
        if nth == 0:
            return [one[0].trunk]
        save(store, order.cells)
        return []

    executor = Scripted(act)
    train(one, grid.data, store, executor, timings={})
    assert [order.dead for order in executor.orders] == [{}, {one[0].trunk: 3}]


def test_what_another_driver_lets_go_of_is_taken_up(
    store: Store, cells: list[Cell], grid: Grid
) -> None:
    one = trunk_of(cells)
    path = claim(store, one[0].trunk)

    def act(order: Order, nth: int) -> list[str]:
        if nth == 0:
            threading.Timer(0.2, files.remove, [path]).start()
            return [one[0].trunk]
        save(store, order.cells)
        return []

    executor = Scripted(act)
    train(one, grid.data, store, executor, timings={})
    assert [order.dead for order in executor.orders] == [{}, {}]


def test_a_cell_that_always_crashes_fails_alone_after_bounded_tries(
    store: Store, cells: list[Cell], grid: Grid, heard: list[Trained]
) -> None:
    bad = cells[0].trunk

    def act(order: Order, nth: int) -> list[str]:
        if order.cells[0].trunk == bad:
            raise RuntimeError("a bug in the model")
        save(store, order.cells)
        return []

    executor = Scripted(act)
    train(cells, grid.data, store, executor, timings={}, on_event=heard.append)
    tries = [order for order in executor.orders if order.cells[0].trunk == bad]
    assert len(tries) == cells[0].recovery.retries + 1
    for cell in cells:
        record = store.record(cell.id)
        assert record is not None
        if cell.trunk == bad:
            assert record["status"] == "failed"
            assert record["reason"] == "a bug in the model, 3 times; last seen at step 0"
        else:
            assert record["status"] == "finished"
    failed = [event.record["run"] for event in heard if event.record and event.loss != event.loss]
    assert sorted(failed) == sorted(cell.id for cell in trunk_of(cells))


def test_who_is_preempted_for_ever_without_a_step_in_between_is_given_up(
    store: Store, cells: list[Cell], grid: Grid
) -> None:
    def act(order: Order, nth: int) -> list[str]:
        raise LostError("preempted", "a queue of higher priority")

    executor = Scripted(act)
    train(trunk_of(cells), grid.data, store, executor, timings={})
    assert len(executor.orders) == PREEMPTIONS + 1
    record = store.record(cells[0].id)
    assert record is not None
    assert record["status"] == "failed"
    assert "preempted without progress in between" in record["reason"]


def test_a_claim_that_was_dead_before_ends_no_call(
    store: Store, cells: list[Cell], grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaling.sweep.storing.claims.LEASE_SECONDS", 0.2)
    one = trunk_of(cells)
    claim(store, one[0].trunk)  # of a driver whose machine is lost

    def act(order: Order, nth: int) -> list[str]:
        time.sleep(1.0)  # in a queue: nobody has taken it over yet
        if nth == 0:
            return [one[0].trunk]
        save(store, order.cells)
        return []

    executor = Scripted(act, speaks=False)
    train(one, grid.data, store, executor, timings={})
    assert executor.ended == []
    assert len(store.done(one)) == len(one)


def test_being_preempted_is_no_failure_however_often(
    store: Store, cells: list[Cell], grid: Grid
) -> None:
    def act(order: Order, nth: int) -> list[str]:
        if nth < 7:
            raise LostError("preempted", "a queue of higher priority")
        save(store, order.cells)
        return []

    executor = Scripted(act)
    train(trunk_of(cells), grid.data, store, executor, timings={})
    assert len(executor.orders) == 8
    assert len(store.done(cells)) == len(trunk_of(cells))


@pytest.mark.parametrize("timed", [True, False])
def test_short_calls_are_bundled_and_only_what_was_at_work_is_given_up(
    timed: bool, store: Store, cells: list[Cell], grid: Grid
) -> None:
    seconds = {"step": 0.0, "evaluation": 1.0, "start": 1.0}
    timings = {cell.timing_key: seconds for cell in cells} if timed else {}

    def act(order: Order, nth: int) -> list[str]:
        for cohort in order.cohorts:
            (group,) = cohort
            if group[0].seed == 1:
                raise LostError("killed", "it was in the way")
            save(store, group)
        return []

    executor = Scripted(act)
    executor.grain_seconds = 100.0
    train(cells, grid.data, store, executor, timings=timings)
    assert len(executor.orders[0].cohorts) == len({cell.trunk for cell in cells})
    for cell in cells:
        record = store.record(cell.id)
        assert record is not None
        assert record["status"] == ("failed" if cell.seed == 1 else "finished")


def test_bad_input_ends_all_and_is_not_tried_again(
    store: Store, cells: list[Cell], grid: Grid
) -> None:
    def act(order: Order, nth: int) -> list[str]:
        raise InputError("the data are gone")

    executor = Scripted(act)
    with pytest.raises(InputError, match="the data are gone"):
        train(trunk_of(cells), grid.data, store, executor, timings={})
    assert len(executor.orders) == 1


def test_who_is_asked_to_stop_stops(store: Store, cells: list[Cell], grid: Grid) -> None:
    def act(order: Order, nth: int) -> list[str]:
        stopping.ask("SIGTERM")
        time.sleep(PATIENCE_SECONDS)
        return []

    began = time.monotonic()
    with pytest.raises(stopping.Stopped, match="SIGTERM"):
        train(cells, grid.data, store, Scripted(act), timings={})
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    stopping.clear()


def test_what_went_well_is_heard_before_an_error_ends_all() -> None:
    class Both(Debug):
        def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
            bad, good = Future[Any](), Future[Any]()
            bad.set_exception(InputError("no"))
            good.set_result("well")
            return [bad, good]

    crew = Crew(Both())
    crew.add([Call(print, ()), Call(print, ())])
    ends = crew.ends()
    assert next(ends).value == "well"
    with pytest.raises(InputError, match="no"):
        next(ends)
