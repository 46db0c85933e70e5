"""One `run-ID.wandb`: a header, then a log of records, each a protobuf message of one kind.

It is written as the run goes on, so a run that was killed is there up to its last flush, and its
configuration and its summary come in pieces, later ones over earlier ones.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

from scaling.importers.contract import Ended, LoggedRun, Scalar
from scaling.importers.leveldb_log import records
from scaling.importers.nested import flat
from scaling.importers.wandb_curves import Curves, latest, plain_values
from scaling.importers.wandb_items import named, plain
from scaling.importers.wire import fields, messages, varint

HEADER = b":W&B\xe1\xbe\x00"  # the last byte: the format's version
HISTORY, SUMMARY, CONFIG, RUN, EXIT = 2, 3, 5, 17, 18  # kinds of record, by their field
BATCH = 4096  # so many records are held as they were written
# Of a run's own record: field, and the name under which it joins the configuration.
_ABOUT = {2: "wandb.entity", 3: "wandb.project", 6: "wandb.group", 7: "wandb.job_type",
          12: "wandb.sweep"}  # fmt: skip


def is_log(name: str) -> bool:
    return name.endswith(".wandb")


def read_file(file: Path) -> LoggedRun:
    """The run of a file; where it can't be read, one without history, and a note."""
    run, notes = _Run(), list[str]()
    try:
        with file.open("rb") as opened:
            head = opened.read(len(HEADER))
            if head == HEADER:
                with mmap(opened.fileno(), 0, access=ACCESS_READ) as data:
                    for record in records(data, len(HEADER), notes):
                        run.take(record)
            else:
                notes.append(_no_log(head))
        run.settle()
    except OSError as error:
        notes.append(f"not read: {error.strerror}")
    except (ValueError, struct.error) as error:
        notes.append(f"read in parts: a record is none of W&B's ({error})")
    if run.ended == "unstated" and not notes:
        notes.append("without an end: the run was killed, or goes on")
    return LoggedRun(
        id=run.id or file.stem.removeprefix("run-"),
        origin=str(file),
        name=run.name,
        config=run.config,
        history=run.curves.arrays(),
        final=plain_values({name: json.loads(value) for name, value in run.final.items()}),
        ended=run.ended,
        started=run.started,
        notes=tuple(notes),
    )


def _no_log(head: bytes) -> str:
    if head[:-1] == HEADER[:-1]:
        return f"not read: version {head[-1]} of the file's format; known: {HEADER[-1]}"
    return "not read: the file is empty" if not head else "not read: no file of W&B's"


@dataclass
class _Run:
    """What the records have said so far."""

    id: str = ""
    name: str = ""
    started: float | None = None
    config: dict[str, Scalar] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    final: dict[str, bytes] = field(default_factory=dict)
    ended: Ended = "unstated"
    histories: list[bytes] = field(default_factory=list)
    summaries: list[bytes] = field(default_factory=list)

    def take(self, record: bytes) -> None:
        kind, content = _content(record)
        if kind == HISTORY:
            self.histories.append(content)
            if len(self.histories) == BATCH:
                self.settle()
        elif kind == SUMMARY:
            self.summaries.append(content)
        elif kind == CONFIG:
            self._configure(content)
        elif kind == RUN:
            self._begin(content)
        elif kind == EXIT:
            self.ended = "crashed" if dict(fields(content)).get(1) else "finished"

    def settle(self) -> None:
        """Take apart the records that wait."""
        self.curves.add(self.histories)
        self.final |= latest(self.summaries)
        self.histories, self.summaries = [], []

    def _configure(self, content: bytes) -> None:
        for name, value in plain(content):
            self._forget(name)
            self.config |= flat({name: json.loads(value)})
        for number, item in messages(content):
            if number == 2:  # taken back
                self._forget(named(item)[0])

    def _forget(self, name: str) -> None:
        for key in [key for key in self.config if key == name or key.startswith(f"{name}.")]:
            del self.config[key]

    def _begin(self, content: bytes) -> None:
        for number, value in messages(content):
            if number == 1:
                self.id = value.decode()
            elif number == 4:
                self._configure(value)
            elif number == 8:
                self.name = value.decode()
            elif number == 17 and self.started is None:
                time = dict(fields(value))
                self.started = int(time.get(1, 0)) + int(time.get(2, 0)) / 1e9
            elif number in _ABOUT:
                self.config[_ABOUT[number]] = value.decode()


def _content(record: bytes) -> tuple[int, bytes]:
    """A record's kind, and what it says; nought for kinds that nothing is read of."""
    # First comes the record's number. Nearly all are of history or summary, and read at once.
    if len(record) > 7 and record[0] == 0x08:
        at = 2 if record[1] < 128 else 3 if record[2] < 128 else 4
        tag, size, start = record[at], record[at + 1], at + 2
        if tag in (0x12, 0x1A):
            if size > 127:
                size, start = size & 127 | record[start] << 7, at + 3
                if record[at + 2] > 127:
                    size, start = varint(record, at + 1)
            return tag >> 3, record[start : start + size]
    known = (HISTORY, SUMMARY, CONFIG, RUN, EXIT)
    return next(((kind, what) for kind, what in messages(record) if kind in known), (0, b""))
