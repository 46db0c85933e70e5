"""lm-evaluation-harness: `results_*.json`, of one model or of many, a folder a model.

A file holds no training: its metrics are joined to the runs that trained the models
(`evaluations.py`), by the models' names. A checkpoint's step is read from its name or revision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scaling.errors import InputError
from scaling.importers.contract import LoggedRun, Scalar
from scaling.importers.documents import below, named, parsed, text_of
from scaling.importers.history import History
from scaling.importers.nested import flat

if TYPE_CHECKING:
    from scaling.files import Place

NAME = "lm-eval"
ABOUT = "lm-evaluation-harness: results_*.json, joined to the runs that are imported with them"
EXAMPLE = "results/"
USUAL = {"step": ("step",), "N_total": ("model_num_parameters",)}

RESULTS = "results_*.json"
# The harness says under which filter of the answers a metric was taken; `none` is the plain one.
PLAIN = "none"
# Parts of a model's name that say which of its checkpoints it is.
CHECKPOINT = re.compile(r"(?:checkpoint|step|iter|global_step)[-_]?(\d+)$", re.IGNORECASE)
OF_NO_RUN = ("hf", "huggingface", "final", "latest", "model", "main")


def recognises(source: str) -> bool:
    return named(source, RESULTS)


@dataclass
class _Model:
    """metrics: by step, None for the model as it is; files: those that they are from."""

    metrics: dict[int | None, dict[str, float]] = field(default_factory=dict)
    config: dict[str, Scalar] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def read(source: str) -> Iterator[LoggedRun]:
    """One for each model: its metrics in `final`, or in `history` where they say their step."""
    models: dict[str, _Model] = {}
    notes: list[str] = []
    found = below(source, RESULTS)
    for file in sorted(found, key=lambda file: file.name):  # by their dates: the later stands
        try:
            _take(file, models)
        except InputError as error:
            notes.append(str(error))
    if not models:
        raise InputError(
            notes[0]
            if notes
            else f"{source}: no {RESULTS} in it or below it: what the harness "
            "writes with --output_path"
        )
    for name, model in models.items():
        yield _logged(name, model, notes)
        notes = []  # told once


def _take(file: Place, models: dict[str, _Model]) -> None:
    said = parsed(text_of(file), file)
    if not isinstance(said, Mapping) or not isinstance(said.get("results"), Mapping):
        raise InputError(f'{file}: no "results": not what lm-evaluation-harness writes')
    config = flat(said.get("config") or {})
    called = said.get("model_name") or _argument(said, "pretrained")
    if not called:
        raise InputError(f"{file}: no model_name, and no pretrained=... in its model_args")
    name, step = _run_and_step(str(called), _argument(said, "revision"))
    model = models.setdefault(name, _Model())
    model.files.append(str(file))
    model.config |= {**config, "model_name": str(called)}
    metrics = model.metrics.setdefault(step, {})
    for task, values in {**said["results"], **(said.get("groups") or {})}.items():
        metrics |= _metrics(task, values)


def _argument(said: Mapping[str, Any], name: str) -> str:
    """One of the model's arguments, which are a mapping or `pretrained=a,revision=b`."""
    given = (said.get("config") or {}).get("model_args") or {}
    if isinstance(given, str):
        given = dict(part.partition("=")[::2] for part in given.split(","))
    return str(given.get(name) or "")


def _run_and_step(called: str, revision: str) -> tuple[str, int | None]:
    """`runs/a/checkpoint-300` is step 300 of the run a; so is a at the revision step300."""
    *above, last = [part for part in called.split("/") if part] or [called]
    step = CHECKPOINT.search(revision)
    while above and (last in OF_NO_RUN or CHECKPOINT.match(last)):
        step = CHECKPOINT.match(last) or step
        *above, last = above
    return last, int(step[1]) if step else None


def _metrics(task: str, values: object) -> dict[str, float]:
    """`{"acc,none": .5}` of the task a is `a/acc`; under a filter it is `a/acc/FILTER`."""
    if not isinstance(values, Mapping):
        return {}
    found = {}
    for key, value in values.items():
        metric, _, kind = str(key).partition(",")
        # Where an error is not to be had it is "N/A".
        if isinstance(value, int | float) and (kind or metric not in ("sample_len", "samples")):
            found["/".join([task, metric, *([kind] if kind not in ("", PLAIN) else [])])] = value
    return found


def _logged(name: str, model: _Model, notes: list[str]) -> LoggedRun:
    steps = sorted(step for step in model.metrics if step is not None)
    history = History()
    for step in steps:
        history.add({"step": step, **model.metrics[step]})
    return LoggedRun(
        id=name,
        origin=", ".join(model.files),
        name=name,
        config=model.config,
        history=history.arrays(),
        final=dict(model.metrics.get(None, {})),
        notes=tuple(notes),
    )
