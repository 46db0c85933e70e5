"""Follows cells into trackers while they train: training hands over what happened, and goes on.

A cell is one run of a tracker. What its trunk has seen belongs to each of the trunk's cells: while
the trunk trains it is told of the cell that is trained next, and the run of the one after that
begins with all that came before. What a tracker has of a cell from an earlier start is replaced.

Trackers work in a thread of their own, and one that fails is switched off: neither its network nor
its disk can harm or delay a run.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any

from scaling.grid import Cell
from scaling.sweep.trackers.contract import Kind, Live, Point, Run
from scaling.train.telemetry import means

if TYPE_CHECKING:
    from scaling.train.log import Log

EVERY_SECONDS = 1.0  # what has come together is handed on so often
END_SECONDS, STOP_SECONDS = 60.0, 3.0  # patience at the end, and where the worker was interrupted
# Of a record, what a run's end tells: these, and the metrics of its task.
SUMMARY = (
    "loss", "loss_se", "train_loss", "best_loss", "best_step", "skipped_steps", "rewinds",
    "seconds", "flops_spent", "mfu", "attention_logit", "status", "reason",
)  # fmt: skip
SOUND = ("finished", "recovered", "stopped")

Warn = Callable[[str, str], None]  # which tracker, and what of it
# What the thread is told: begin, log or end, and with what.
_Item = tuple[str, tuple[Any, ...]]


@dataclass
class _Told:
    """What of a cell was handed over: so many chunks, up to a step, and the readings of steps."""

    chunks: int = 0
    step: int = 0
    readings: set[int] = field(default_factory=set)

    def begins(self, log: Log) -> bool:
        """Whether the log goes on from there: not after a rewind, nor where the run was resumed
        from a checkpoint in this very process."""
        steps = [chunk.last_step for chunk in log.chunks[: self.chunks]]
        return len(steps) == self.chunks and (not steps or steps[-1] == self.step)


class Tracking:
    """The runs of some cells, in every tracker. warn: told of each that fails, by its name."""

    def __init__(
        self,
        boards: Mapping[str, tuple[Kind, Any]],
        study: str,
        cells: Sequence[Cell],
        warn: Warn,
    ) -> None:
        self._boards = [_Board(name, *board, warn) for name, board in boards.items()]
        self._study = study
        self._left: dict[str, list[Cell]] = {}
        for cell in sorted(cells, key=lambda cell: cell.steps):
            self._left.setdefault(cell.trunk, []).append(cell)
        self._told: dict[str, _Told] = {}
        self._items: SimpleQueue[_Item] = SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="trackers", daemon=True)
        if self._boards:
            self._thread.start()

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close(END_SECONDS if kind is None else STOP_SECONDS)

    def chunk(self, trunk: str, log: Log) -> None:
        """A trunk, or a branch of it, has come so far."""
        if self._boards:
            self._tell(self._left[trunk][0], log)

    def cell(self, cell: Cell, record: Mapping[str, Any], log: Log | None) -> None:
        """A cell was trained, or, without a log, given up."""
        if not self._boards:
            return
        if log is None:
            self._begin(cell)
        else:
            self._tell(cell, log)
            loss, last = record["loss"], record["steps"]
            if loss == loss and last not in log.held_out:
                self._put("log", cell.id, [(last, {"held_out": loss})])
        metrics = [name for name in record if name.endswith(("_error", "_loss"))]
        names = dict.fromkeys((*SUMMARY, *metrics, *(n for n in record if n.startswith("recall"))))
        summary = {name: record[name] for name in names if record.get(name) is not None}
        how = "finished" if record["status"] in SOUND else "failed"
        self._put("end", cell.id, how, summary)
        self._left[cell.trunk].remove(cell)
        del self._told[cell.id]

    def close(self, seconds: float = END_SECONDS) -> None:
        """Hand over what is left, and let go of runs that were not finished. A tracker that isn't
        done after so long is left behind."""
        if not self._boards:
            return
        self._closing.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            for board in self._boards:
                board.switch_off(f"it had not ended after {seconds:g} s")

    def _tell(self, cell: Cell, log: Log) -> None:
        """What is new of a cell's curve; all of it, in a new run, where another one was told."""
        told = self._told.get(cell.id)
        if told is None or not told.begins(log):
            told = self._begin(cell)
        new = log.chunks[told.chunks :]
        points: list[Point] = [(chunk.last_step, means(chunk)) for chunk in new]
        readings = {step: loss for step, loss in log.held_out.items() if step not in told.readings}
        points += [(step, {"held_out": loss}) for step, loss in readings.items()]
        if new:
            told.chunks, told.step = len(log.chunks), new[-1].last_step
        told.readings |= set(readings)
        if points:
            self._put("log", cell.id, points)

    def _begin(self, cell: Cell) -> _Told:
        self._put("begin", run_of(cell, self._study))
        self._told[cell.id] = _Told()
        return self._told[cell.id]

    def _put(self, what: str, *arguments: Any) -> None:
        self._items.put((what, arguments))

    def _serve(self) -> None:
        """The thread: what has come together, until it is closed and nothing is left."""
        last = False
        while not last:
            last = self._closing.wait(EVERY_SECONDS)
            for what, arguments in _merged(_taken(self._items)):
                for board in self._boards:
                    board.do(what, *arguments)
        for board in self._boards:
            board.do("leave")


class _Board:
    """One tracker and its open runs."""

    def __init__(self, name: str, kind: Kind, settings: Any, warn: Warn) -> None:
        self.name, self.kind, self.settings, self.warn = name, kind, settings, warn
        self.live: dict[str, Live] = {}
        self.off = False

    def do(self, what: str, *arguments: Any) -> None:
        if self.off:
            return
        try:
            getattr(self, what)(*arguments)
        except Exception as error:  # whatever a tracker raises, training goes on
            self.switch_off(f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}")

    def switch_off(self, why: str) -> None:
        if not self.off:
            self.off = True
            self.warn(self.name, f"tracker {self.name} is switched off: {why}")

    def begin(self, run: Run) -> None:
        if before := self.live.pop(run.id, None):
            before.end("left", {})
        self.live[run.id] = self.kind.begin(self.settings, run)

    def log(self, run: str, points: Sequence[Point]) -> None:
        self.live[run].log(points)

    def end(self, run: str, how: Any, summary: Mapping[str, float | str]) -> None:
        self.live.pop(run).end(how, summary)

    def leave(self) -> None:
        for run in list(self.live):
            self.live.pop(run).end("left", {})


def run_of(cell: Cell, study: str) -> Run:
    """A cell as trackers see it."""
    facts = cell.facts()
    nested = {"model": json.loads(facts.pop("config")), "train": json.loads(facts.pop("recipe"))}
    for part, values in nested.items():
        facts |= {f"{part}.{name}": value for name, value in values.items()}
    plain = {k: v if isinstance(v, str | int | float) else str(v) for k, v in facts.items()}
    name = f"{cell.family}-N{cell.shape.N}-D{cell.D}-seed{cell.seed}-{cell.id}"
    return Run(cell.id, re.sub(r"[^\w.-]+", "-", name), study, {"study": study, **plain})


def _taken(items: SimpleQueue[_Item]) -> Iterable[_Item]:
    try:
        while True:
            yield items.get_nowait()
    except Empty:
        return


def _merged(items: Iterable[_Item]) -> Iterable[_Item]:
    """Points of one run that follow each other, as one."""
    for (what, run), group in itertools.groupby(items, key=lambda item: (item[0], item[1][0])):
        if what == "log":
            yield what, (run, [point for _, (_, points) in group for point in points])
        else:
            yield from group
