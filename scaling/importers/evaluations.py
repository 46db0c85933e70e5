"""Runs with what their models were found to do: training from one source, evaluations from others.

An evaluation belongs to the run of its model's name. Its metrics become the run's own final values,
those of its last step where it was evaluated at several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from scaling.importers.contract import LoggedRun, Scalar

STEP = "step"


def with_evaluations(
    runs: Iterable[LoggedRun], evaluations: Iterable[LoggedRun]
) -> Iterator[LoggedRun]:
    """The runs, one at a time, those with an evaluation of their name (or of their id's last part)
    with its metrics. Evaluations of no run come last, as they are."""
    waiting = {one.id: one for one in evaluations}
    used = set()
    for run in runs:
        names = (run.id, run.name, run.id.rpartition("/")[2])
        found = next((name for name in names if name in waiting), None)
        if found is not None:
            used.add(found)
            run = _joined(run, waiting[found])
        yield run
    yield from (one for name, one in waiting.items() if name not in used)


def _joined(run: LoggedRun, evaluation: LoggedRun) -> LoggedRun:
    metrics, step = _last(evaluation)
    notes = [*run.notes, *evaluation.notes]
    trained = run.history.get(STEP)
    end = None if trained is None or not len(trained) else float(np.nanmax(trained))
    if step is not None and end is not None and step != end:
        notes.append(
            f"{evaluation.origin}: of step {step:.0f}, where the run's log ends at {end:.0f}"
        )
    size = evaluation.config.get("model_num_parameters")
    facts: dict[str, Scalar] = {} if size is None else {"model_num_parameters": size}
    return replace(run, final={**facts, **run.final, **metrics}, notes=tuple(notes))


def _last(evaluation: LoggedRun) -> tuple[Mapping[str, Scalar], float | None]:
    """The metrics of the model as it is, or else of its last step, and that step."""
    if evaluation.final or STEP not in evaluation.history:
        return evaluation.final, None
    rows = {name: float(column[-1]) for name, column in evaluation.history.items()}
    step = rows.pop(STEP)
    return {name: one for name, one in rows.items() if not np.isnan(one)}, step
