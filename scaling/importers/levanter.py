"""Levanter and Marin: `tracker_metrics.jsonl` beside a run's checkpoints, and the JSON logger.

The first is one line: the run's config, and the last value of each metric. The JSON logger says an
event a line, on the terminal behind whatever a launcher puts before it, or a file an event
(`step-100-SHA.json`): `hparams`, `log`, `summary` and `finish`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError
from scaling.importers.contract import LoggedRun, Scalar
from scaling.importers.documents import below, id_of, named, stem_of
from scaling.importers.history import History
from scaling.importers.nested import flat

if TYPE_CHECKING:
    from scaling.files import Place

NAME = "levanter"
ABOUT = "Levanter and Marin: tracker_metrics.jsonl of runs, or logs of the JSON logger"
EXAMPLE = "checkpoints/"
USUAL = {
    "step": ("step",),
    "total_steps": ("trainer.num_train_steps",),
    "loss": ("eval/loss", "eval/macro_loss", "eval/*/loss", "eval/bpb", "eval/*/bpb"),
    "train_loss": ("train/loss", "train/cross_entropy_loss"),
    "D": ("throughput/total_tokens",),
    "N_total": ("parameter_count",),
    "C": ("throughput/total_gflops",),
    "learning_rate": ("optimizer.learning_rate",),
    "sequences": ("trainer.train_batch_size",),
    "context": ("train_seq_len", "model.max_seq_len", "model.seq_len"),
    "seed": ("trainer.seed", "seed"),
}

SUMMARY = "tracker_metrics.jsonl"
EVENT = "step-*-*.json"
LOGS = ("*.log", "*.txt", "*.out", "*.jsonl")
STARTS = b'{"tracker": "json_logger"'
LOOKED_AT = 4_000_000
STEP = re.compile(r"step-(\d+)-")


def recognises(source: str) -> bool:
    if named(source, SUMMARY, EVENT):
        return True
    place = files.folder(source)
    if not files.exists(place):
        return False
    return any(map(_speaks, below(source, *LOGS)[:20]))


def _speaks(file: Place) -> bool:
    with files.reading(file) as opened:
        return STARTS in opened.read(LOOKED_AT)


def read(source: str) -> Iterator[LoggedRun]:
    found = False
    events: dict[Place, list[Place]] = {}
    for file in below(source, SUMMARY, EVENT, *LOGS):
        if STEP.match(file.name):
            events.setdefault(file.parent, []).append(file)
            continue
        for run in _runs(_lines_of(file), file, source):
            found = True
            yield run
    for folder, written in events.items():
        written.sort(key=_step_of)
        for run in _runs(_files_of(written), folder, source):
            found = True
            yield run
    if not found:
        raise InputError(
            f"{source}: no {SUMMARY} (Levanter's WandbConfig writes it to its replicate_path), and "
            "no line of its JSON logger (tracker type: json_logger) in " + ", ".join(LOGS)
        )


def _step_of(file: Place) -> int:
    found = STEP.match(file.name)
    return int(found[1]) if found else 0


def _lines_of(file: Place) -> Iterator[tuple[str, bytes]]:
    """The records of a file, each with the place to name where it is damaged."""
    with files.reading(file) as opened:
        for number, line in enumerate(opened, 1):
            start = line.find(STARTS)
            if start < 0 and file.name == SUMMARY and line.strip():
                start = 0
            if start >= 0:
                yield f"{file}: line {number}", line[start:]


def _files_of(written: list[Place]) -> Iterator[tuple[str, bytes]]:
    for file in written:
        yield str(file), files.read(file)


class _Run:
    """A run as its records come."""

    def __init__(self, id_: str = "") -> None:
        self.id = id_
        self.config: dict[str, Scalar] = {}
        self.history = History()
        self.final: dict[str, Scalar] = {}
        self.finished = False
        self.notes: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.config or self.final or self.notes or len(self.history))

    def take(self, record: Mapping[str, Any]) -> None:
        metrics = flat(record.get("metrics") or {}, "/")
        match record.get("event"):
            case "hparams":
                self.config |= flat(record.get("hparams") or {})
            case "log" if record.get("step") is not None:
                row = {
                    name: float(one) for name, one in metrics.items() if not isinstance(one, str)
                }
                self.history.add({"step": record["step"], **row})
            case "log" | "summary":
                self.final |= metrics
            case "finish":
                self.final |= flat(record.get("summary") or {}, "/")
                self.finished = True
            case None:  # the one record of tracker_metrics.jsonl
                self.config |= flat(record.get("config") or {})
                self.final |= flat(record.get("summary") or {}, "/")


def _runs(records: Iterator[tuple[str, bytes]], file: Place, source: str) -> Iterator[LoggedRun]:
    """A new run begins with settings after an end, or with another run's id."""
    run, number = _Run(), 0
    for place, data in records:
        try:
            record = json.loads(data)
        except ValueError as error:
            told = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            run.notes.append(f"{place}: not JSON, left out: {told}")
            continue
        if not isinstance(record, Mapping):
            run.notes.append(f"{place}: no record of a run, left out")
            continue
        id_ = str(record.get("run_id") or run.id)
        if run and (id_ != run.id or (run.finished and record.get("event") == "hparams")):
            number += 1
            yield _logged(run, file, source, number)
            run = _Run()
        run.id = id_
        run.take(record)
    if run:
        yield _logged(run, file, source, number + 1)


def _logged(run: _Run, file: Place, source: str, number: int) -> LoggedRun:
    """By its own id, by its folder where the file is called as every run's, or by its file."""
    by_folder = file.name == SUMMARY or files.is_folder(file)
    name = id_of(file, source) if by_folder else stem_of(file, source)
    id_ = run.id or (name if number == 1 else f"{name}#{number}")
    return LoggedRun(
        id=id_,
        origin=str(file),
        name=id_.rpartition("/")[2],
        config=run.config,
        history=run.history.arrays(),
        final=run.final,
        ended="finished" if run.finished else "unstated",
        notes=tuple(run.notes),
        placed=not run.id,
    )
