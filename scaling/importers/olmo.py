"""OLMo-core: what its metric saver writes into a run's folder, a ladder's runs side by side.

`metrics_step500.json` holds the newest value of each metric at that step, `metrics.json` those at
the end; `step500/config.json`, of a checkpoint, is what was asked. A ladder's own collections are
pickles (`metrics_190M.pkl`), which are never opened: to read one is to run what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError
from scaling.importers.contract import LoggedRun, Scalar
from scaling.importers.documents import below, id_of, named, parsed, text_of
from scaling.importers.history import History
from scaling.importers.nested import flat
from scaling.importers.olmo_shape import counts

if TYPE_CHECKING:
    from scaling.files import Place

NAME = "olmo"
ABOUT = "OLMo-core: metrics_step*.json and configs of a run, or of a ladder's folder"
EXAMPLE = "ladder/"
USUAL = {
    "step": ("step",),
    "loss": ("eval/lm/*/CE loss",),
    "train_loss": ("train/CE loss",),
    "D": ("throughput/total tokens",),
    "C": ("throughput/total petaflops",),
    "N": ("parameters_without_tables",),
    "N_total": ("parameters",),
    "learning_rate": ("optim.lr",),
    "context": ("data_loader.sequence_length",),
    "seed": ("seed",),
}

STEP = re.compile(r"metrics_step(\d+)\.json$")
STEPS = "metrics_step*.json"
FINAL = "metrics.json"
PICKLES = "metrics_*.pkl"
CHECKPOINT = re.compile(r"step(\d+)$")
CONFIG = "config.json"
COUNTED = ("parameters_without_tables", "parameters")


def recognises(source: str) -> bool:
    return named(source, STEPS, PICKLES)


def read(source: str) -> Iterator[LoggedRun]:
    place = files.folder(source)
    if place.name.endswith(".pkl"):
        raise InputError(_pickled(place))
    runs: dict[Place, list[Place]] = {}
    for file in below(source, STEPS):
        runs.setdefault(file.parent, []).append(file)
    if not runs:
        pickles = below(source, PICKLES)
        raise InputError(
            _pickled(pickles[0])
            if pickles
            else f"{source}: no {STEPS} in it or below it: OLMo-core's MetricSaverCallback writes "
            "them at its save_interval or fixed_steps; a console log is read by --from log"
        )
    for folder, found in runs.items():
        run = _run(folder, sorted(found, key=_step_of), source)
        if len(runs) == 1 and not run.history:
            raise InputError(run.notes[0])
        yield run


def _pickled(file: Place) -> str:
    return (
        f"{file}: a pickle, which is never opened: to read one is to run what it says; give the "
        f"ladder's folder, or a table of it: pandas.read_pickle({file.name!r}).to_csv('runs.csv')"
    )


def _step_of(file: Place) -> int:
    found = STEP.search(file.name)
    return int(found[1]) if found else 0


def _run(folder: Place, found: list[Place], source: str) -> LoggedRun:
    history, notes = History(), []
    for file in found:
        try:
            history.add({"step": _step_of(file), **_numbers(_document(file))})
        except InputError as error:
            notes.append(str(error))
    final: dict[str, Scalar] = {}
    config: dict[str, Scalar] = {}
    ended = files.exists(folder / FINAL)
    try:
        final |= _numbers(_document(folder / FINAL)) if ended else {}
        said = _config(folder)
        config |= flat(said)
        if (counted := counts(said.get("model") or {})) is not None:
            final |= dict(zip(("parameters_without_tables", "parameters"), counted, strict=True))
    except InputError as error:
        notes.append(str(error))
    return LoggedRun(
        id=id_of(folder, source),
        origin=str(folder),
        name=folder.name,
        config=config,
        history=history.arrays(),
        final=final,
        ended="finished" if ended else "unstated",
        notes=tuple(notes),
        placed=True,
    )


def _config(folder: Place) -> Mapping[str, Any]:
    """What was asked, by the newest checkpoint that says it."""
    steps = {int(found[1]) for name in files.names(folder) if (found := CHECKPOINT.match(name))}
    for place in (*(folder / f"step{step}" for step in sorted(steps, reverse=True)), folder):
        if files.exists(place / CONFIG):
            return _document(place / CONFIG)
    return {}


def _document(file: Place) -> Mapping[str, Any]:
    found = parsed(text_of(file), file)
    if not isinstance(found, Mapping):
        raise InputError(f"{file}: a {type(found).__name__}, where names and values belong")
    return found


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(one) for name, one in metrics.items() if isinstance(one, int | float)}
