"""Runs with what their models were found to do: training from one source, evaluations of another.

An evaluation belongs to the run of its model's name. Its metrics, those of its last step where it
was evaluated at several, stand among the run's settings, one value a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from scaling.importers.contract import LoggedRun, Scalar

STEP = "step"
SIZE = "model_num_parameters"


class Evaluations:
    """What is to be joined. metrics: the names of all that were taken, in order."""

    def __init__(self, evaluations: Iterable[LoggedRun]) -> None:
        self._by_name = {one.id: one for one in evaluations}
        self._joined: set[str] = set()
        taken = (name for one in self._by_name.values() for name in _last(one)[0])
        self.metrics = tuple(dict.fromkeys(taken))

    def joined(self, run: LoggedRun) -> LoggedRun:
        """The run with the metrics of its name, or of its id's last part; or as it is."""
        names = (run.id, run.name, run.id.rpartition("/")[2])
        found = next((name for name in names if name in self._by_name), None)
        if found is None:
            return run
        self._joined.add(found)
        return _with(run, self._by_name[found])

    def with_all(self, runs: Iterable[LoggedRun]) -> Iterator[LoggedRun]:
        """All runs joined, one at a time; then the evaluations of none, which say so."""
        names = set()
        for run in runs:
            names |= {run.name or run.id}
            yield self.joined(run)
        for name, one in self._by_name.items():
            if name not in self._joined:
                near = get_close_matches(name, names, 1)
                hint = f"; nearest: {near[0]}" if near else ""
                told = f"evaluated, but no run that was read is called {name}{hint}"
                yield replace(one, notes=(*one.notes, told))


def _with(run: LoggedRun, evaluation: LoggedRun) -> LoggedRun:
    metrics, step = _last(evaluation)
    notes = [*run.notes, *evaluation.notes]
    trained = run.history.get(STEP)
    end = None if trained is None or not len(trained) else float(np.nanmax(trained))
    if step is not None and end is not None and step != end:
        told = f"of step {step:.0f}, where the run's log ends at {end:.0f}"
        notes.append(f"{evaluation.origin}: {told}")
    size = {SIZE: evaluation.config[SIZE]} if SIZE in evaluation.config else {}
    return replace(
        run,
        config={**run.config, **metrics},
        final={**size, **run.final},
        notes=tuple(notes),
    )


def _last(evaluation: LoggedRun) -> tuple[Mapping[str, Scalar], float | None]:
    """The metrics of the model as it is, or else of its last step, and that step."""
    if evaluation.final or STEP not in evaluation.history:
        return evaluation.final, None
    rows = {name: float(column[-1]) for name, column in evaluation.history.items()}
    step = rows.pop(STEP)
    return {name: one for name, one in rows.items() if not np.isnan(one)}, step
