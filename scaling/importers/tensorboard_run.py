"""The event files of one folder as a run: its curves, and the settings that stand among them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np

from scaling.importers.contract import Ended, LoggedRun, Scalar
from scaling.importers.nested import flat
from scaling.importers.tensorboard_event import Event
from scaling.importers.tensorboard_events import Points, take_apart
from scaling.importers.tfrecord import batches

CLOCK = ("step", "wall_time")  # of each row: TensorBoard's own names
LONG = 200  # a text of more letters is a sample, not a setting
_TEXT = "/text_summary"  # what PyTorch adds to the tag of a text


def read_run(name: str, origin: str, files: Sequence[Path]) -> LoggedRun:
    """files: in the order in which they were begun."""
    run = _Run()
    for index, file in enumerate(files):
        told = list[str]()
        try:
            if file.stat().st_size:
                with file.open("rb") as opened:
                    run.take(mmap(opened.fileno(), 0, access=ACCESS_READ), told)
        except OSError as error:
            told.append(f"not read: {error.strerror}")
        run.notes += [f"{file.name}: {note}" for note in told]
    return LoggedRun(
        id=name,
        origin=origin,
        name=name,
        config=run.config,
        history=run.history(),
        ended=run.ended,
        started=run.started,
        notes=tuple(run.notes),
    )


class _Run:
    """What the files have said so far."""

    def __init__(self) -> None:
        self.config: dict[str, Scalar] = {}
        self.ended: Ended = "unstated"
        self.started: float | None = None
        self.notes: list[str] = []
        self._points: list[Points] = []
        self._before = 0  # bytes of the files before: places count on

    def take(self, data: mmap, notes: list[str]) -> None:
        for starts, sizes in batches(data, notes):
            points, others = take_apart(data, starts, sizes)
            self._points += [replace(each, events=each.events + self._before) for each in points]
            for place, event in others:
                self._note(self._before + place, event, notes)
        self._before += len(data)

    def _note(self, place: int, event: Event, notes: list[str]) -> None:
        if event.wall_time and self.started is None:
            self.started = event.wall_time
        self.config |= event.hparams
        self.ended = event.ended or self.ended
        for tag, text in event.texts.items():
            self.config |= _setting(tag.removesuffix(_TEXT), text)
        if event.restart:
            self._take_back(place, event.step, notes)

    def _take_back(self, place: int, step: int, notes: list[str]) -> None:
        """A session that starts at a step goes on from there: later ones before it are void."""
        kept, void = list[Points](), 0
        for each in self._points:
            keep = (each.events > place) | (each.steps < step)
            void += int((~keep).sum())
            kept.append(_of(each, keep))
        self._points = kept
        if void:
            notes.append(f"restarted at step {step}: {void} later points before it are left out")

    def history(self) -> Mapping[str, np.ndarray]:
        """A row a step, for as long as the step stays and no tag comes twice."""
        if not self._points:
            return {}
        names = list(dict.fromkeys(each.tag for each in self._points))
        whole = _joined(self._points)
        tag = np.repeat(
            [names.index(each.tag) for each in self._points],
            [len(each.steps) for each in self._points],
        )
        order = np.argsort(whole.events, kind="stable")
        whole, tag = _of(whole, order), tag[order]
        row = _rows(whole.steps, tag)
        first = np.unique(row, return_index=True)[1]
        found = dict(
            zip(CLOCK, (whole.steps[first].astype(float), whole.times[first]), strict=True)
        )
        for index, name in enumerate(names):
            column = np.full(len(first), np.nan)
            column[row[tag == index]] = whole.values[tag == index]
            found[name if name not in CLOCK else f"{name} (tag)"] = column
        return found


def _joined(points: Sequence[Points]) -> Points:
    return Points(
        "",
        np.concatenate([each.events for each in points]),
        np.concatenate([each.steps for each in points]),
        np.concatenate([each.times for each in points]),
        np.concatenate([each.values for each in points]),
    )


def _of(points: Points, chosen: np.ndarray) -> Points:
    """Some of them, or all in another order."""
    return Points(
        points.tag,
        points.events[chosen],
        points.steps[chosen],
        points.times[chosen],
        points.values[chosen],
    )


def _rows(steps: np.ndarray, tag: np.ndarray) -> np.ndarray:
    """The row of each point: a new one where the step changes, or its tag is there already."""
    stretch = np.cumsum(np.diff(steps, prepend=steps[0]) != 0)
    key = stretch * (int(tag.max()) + 1) + tag
    order = np.argsort(key, kind="stable")
    same = np.diff(key[order], prepend=-1) == 0
    count = np.arange(len(key)) - np.maximum.accumulate(np.where(same, 0, np.arange(len(key))))
    times = np.empty(len(key), np.int64)  # that the tag has come in this stretch before
    times[order] = count
    _, row = np.unique(stretch * (int(times.max()) + 1) + times, return_inverse=True)
    return row


def _setting(tag: str, text: str) -> dict[str, Scalar]:
    """Trainers write their settings as texts: one a setting, or all as one JSON object."""
    try:
        value = json.loads(text)
    except ValueError:
        return {tag: text} if len(text) <= LONG else {}
    return flat({tag: value})
