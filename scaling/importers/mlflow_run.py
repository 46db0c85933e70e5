"""A run of MLflow's, whichever store it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling.importers.contract import Ended, LoggedRun, Scalar
from scaling.importers.points import Points, rows

ENDED: Mapping[str, Ended] = {
    "FINISHED": "finished", "RUNNING": "running", "SCHEDULED": "running", "FAILED": "crashed",
    "KILLED": "crashed",
}  # fmt: skip
SYSTEM = "system/"  # what MLflow measures of the machine, over steps of its own: left out


@dataclass(frozen=True)
class Stored:
    """What a store says of a run; times in milliseconds. metrics: by name rows of time, value and
    step."""

    id: str
    origin: str
    name: str
    experiment: str
    status: str
    started: float | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, np.ndarray]
    notes: Sequence[str] = ()

    def logged(self) -> LoggedRun:
        own = {name: _scalar(text) for name, text in self.tags.items()}
        curves = self._curves()
        return LoggedRun(
            id=self.id,
            origin=self.origin,
            name=self.name,
            config={
                "mlflow.experiment": self.experiment,
                **{name: _scalar(text) for name, text in self.params.items()},
            },
            history=rows([_points(*each) for each in curves.items()], "step", "timestamp"),
            final={
                **{name: value for name, value in own.items() if not name.startswith("mlflow.")},
                **{
                    name: told[0, 1].item()
                    for name, told in self.metrics.items()
                    if name not in curves
                },
            },
            ended=ENDED.get(self.status, "unstated"),
            started=None if self.started is None else self.started / 1000,
            notes=tuple(self.notes),
        )

    def _curves(self) -> dict[str, np.ndarray]:
        """Without what was logged once, at the end, and without a step, which MLflow keeps as step
        0: a value of the whole run."""
        stepped = [told[told[:, 2] > 0, 0].max(initial=0) for told in self.metrics.values()]
        end = max(stepped, default=0)
        return {
            name: told
            for name, told in self.metrics.items()
            if len(told) > 1 or told[0, 2] or not end or told[0, 0] < end
        }


def _points(name: str, told: np.ndarray) -> Points:
    """Within a millisecond the order is that of the steps: the stores keep no other."""
    times, values, steps = told.T
    order = np.lexsort((steps, times))
    points = Points(name, times, steps.astype(np.int64), times, values)
    return points.of(order)


def _scalar(text: str) -> Scalar:
    """MLflow keeps `str(value)`."""
    if text in ("True", "False"):
        return text == "True"
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text
