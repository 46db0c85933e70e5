"""The event files of one folder as a run: its curves, and the settings that stand among them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np

from scaling.importers.contract import Ended, LoggedRun, Scalar
from scaling.importers.nested import flat
from scaling.importers.points import Points, rows
from scaling.importers.tensorboard_event import Event
from scaling.importers.tensorboard_events import take_apart
from scaling.importers.tfrecord import batches

CLOCK = ("step", "wall_time")  # of each row: TensorBoard's own names
LONG = 200  # a text of more letters is a sample, not a setting
_TEXT = "/text_summary"  # what PyTorch adds to the tag of a text


def read_run(name: str, origin: str, files: Sequence[Path]) -> LoggedRun:
    """files: in the order in which they were begun."""
    run = _Run()
    for file in files:
        told = list[str]()
        try:
            if file.stat().st_size:
                with file.open("rb") as opened:
                    run.take(mmap(opened.fileno(), 0, access=ACCESS_READ), told)
        except OSError as error:
            told.append(f"not read: {error.strerror}")
        except (ValueError, struct.error) as error:
            told.append(f"read in parts: a record is no event ({error})")
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
        placed=True,
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
            self._points += [replace(each, order=each.order + self._before) for each in points]
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
            keep = (each.order > place) | (each.steps < step)
            void += int((~keep).sum())
            kept.append(each.of(keep))
        self._points = kept
        if void:
            notes.append(f"restarted at step {step}: {void} later points before it are left out")

    def history(self) -> Mapping[str, np.ndarray]:
        return rows(self._points, *CLOCK)


def _setting(tag: str, text: str) -> dict[str, Scalar]:
    """Trainers write their settings as texts: one a setting, or all as one JSON object."""
    try:
        value = json.loads(text)
    except ValueError:
        return {tag: text} if len(text) <= LONG else {}
    return flat({tag: value})
