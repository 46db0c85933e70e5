"""Hugging Face Trainer: `trainer_state.json`, of a run's folder or of its checkpoints.

A state holds all that was logged up to its step, so that the newest of a run's is read alone. What
was asked of the Trainer lies in a pickle (`training_args.bin`), which is never opened: to read one
is to run what it says. The model's card says most of it in plain text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaling.errors import InputError
from scaling.importers.contract import Ended, LoggedRun, Scalar
from scaling.importers.documents import below, id_of, items_before, named, parsed, position, text_of
from scaling.importers.hf_folder import beside
from scaling.importers.history import History

if TYPE_CHECKING:
    from scaling.files import Place

NAME = "hf"
ABOUT = "Hugging Face Trainer: trainer_state.json of a run, its checkpoints, or a folder of runs"
EXAMPLE = "output/"
USUAL = {
    "step": ("step",),
    "total_steps": ("max_steps", "args.training_steps"),
    "loss": ("eval_loss", "eval_*_loss"),
    "train_loss": ("loss",),
    "D": ("num_input_tokens_seen",),
    "N": ("parameters_without_tables",),
    "N_total": ("parameters",),
    # 6 N D, as transformers estimates it: N without tables of words and of positions.
    "C": ("total_flos",),
    "learning_rate": ("args.learning_rate",),
    "sequences": ("args.total_train_batch_size", "args.train_batch_size"),
    "seed": ("args.seed",),
    "family": ("model_type",),
}

STATE = "trainer_state.json"
HISTORY = "log_history"
CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
COUNTED = ("num_input_tokens_seen", "total_flos")
KEPT = ("max_steps", "num_train_epochs", "train_batch_size", "best_metric", "best_global_step")


def recognises(source: str) -> bool:
    return named(source, STATE)


def read(source: str) -> Iterator[LoggedRun]:
    states: dict[Place, list[Place]] = {}
    for file in below(source, STATE):
        states.setdefault(_run_folder(file), []).append(file)
    if not states:
        raise InputError(
            f"{source}: no {STATE} in it or below it; the Trainer writes one into each checkpoint, "
            "and into its output_dir by trainer.save_state()"
        )
    for folder, found in states.items():
        run = _run(folder, sorted(found, key=_step_of), source)
        if len(states) == 1 and not run.history:
            raise InputError(run.notes[0])
        yield run


def _run_folder(state: Place) -> Place:
    return state.parent.parent if CHECKPOINT.match(state.parent.name) else state.parent


def _step_of(state: Place) -> float:
    """The step of a checkpoint by its folder; the run's own state is written last."""
    found = CHECKPOINT.match(state.parent.name)
    return int(found[1]) if found else float("inf")


@dataclass(frozen=True)
class _State:
    file: Place
    facts: Mapping[str, Any]
    rows: list[dict[str, float]]
    damage: str = ""


def _run(folder: Place, files: list[Place], source: str) -> LoggedRun:
    """The newest state that can be read whole, or what is left of the newest; nothing but notes
    where nothing is left of any."""
    notes: list[str] = []
    newest = None
    for file in reversed(files):
        try:
            state = _state(file)
        except InputError as error:
            notes.append(str(error))
            continue
        if newest is None or not state.damage:
            newest = state
        if not state.damage:
            break
        notes.append(state.damage)
    if newest is None:
        return LoggedRun(
            id_of(folder, source), str(files[-1]), folder.name, notes=tuple(notes), placed=True
        )
    if not newest.damage and newest.file != files[0] and (left := _other(newest, files)):
        notes.append(left)
    history, summary = History(), {}
    for row in newest.rows:
        if _sums_up(row):
            summary = {name: value for name, value in row.items() if name not in ("step", "epoch")}
        else:
            history.add(row)
    around = beside(folder, newest.file.parent)
    return LoggedRun(
        id=id_of(folder, source),
        origin=str(newest.file),
        name=str(newest.facts.get("trial_name") or folder.name),
        config=around.config,
        history=history.arrays(),
        final={**around.final, **summary, **_kept(newest.facts)},
        ended=_ended(newest.facts, bool(summary)),
        notes=(*notes, *around.notes),
        placed=True,
    )


def _state(file: Place) -> _State:
    """Raises InputError where not even a row of the log can be read."""
    text = text_of(file)
    try:
        facts = json.loads(text)
    except json.JSONDecodeError as error:
        rows = [row for row in map(_numbers, items_before(text, HISTORY)) if row]
        if not rows:
            parsed(text, file)  # says where
        damage = f"{file}: damaged at {position(error)}; read up to its row {len(rows)}"
        return _State(file, {}, rows, damage)
    if not isinstance(facts, Mapping) or not isinstance(facts.get(HISTORY), list):
        raise InputError(f"{file}: no list called {HISTORY}: not a state that the Trainer wrote")
    rows = [row for row in map(_numbers, facts[HISTORY]) if row]
    if not rows:
        raise InputError(f"{file}: {HISTORY} is empty: nothing was logged (see logging_steps)")
    return _State(file, facts, rows)


def _numbers(row: object) -> dict[str, float]:
    """Of a row of the log, what is a number."""
    if not isinstance(row, Mapping):
        return {}
    return {
        name: float(value)
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _sums_up(row: Mapping[str, float]) -> bool:
    """Whether it is the row at the end of training: means over all of it, no point of a curve."""
    return "train_loss" in row and "loss" not in row


def _other(newest: _State, files: list[Place]) -> str:
    """A note where the checkpoint before logged what the newest did not go on from."""
    before = files[files.index(newest.file) - 1]
    try:
        rows = _state(before).rows
    except InputError as error:
        return str(error)
    logged = {json.dumps(row, sort_keys=True) for row in newest.rows}
    if json.dumps(rows[-1], sort_keys=True) in logged:
        return ""
    return f"{before}: of another attempt, since {newest.file} does not go on from it; left out"


def _kept(facts: Mapping[str, Any]) -> dict[str, Scalar]:
    kept = {name: facts[name] for name in KEPT if facts.get(name) is not None}
    # Both are 0 where the Trainer was not asked to count.
    counted = {name: facts[name] for name in COUNTED if facts.get(name)}
    return kept | counted


def _ended(facts: Mapping[str, Any], summed_up: bool) -> Ended:
    reached = 0 < facts.get("max_steps", 0) <= facts.get("global_step", 0)
    return "finished" if reached or summed_up else "unstated"
