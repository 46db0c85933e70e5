"""Numbers that a search within limits has found, with the interval of their draws."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """A number and the central 90 % of its draws; what lies past `least` or `most`, the ends that
    were looked at, is 0 or infinite."""

    point: float
    q05: float
    q95: float
    least: float = 0.0
    most: float = float("inf")

    def __str__(self) -> str:
        ends = f" [{self._one(self.q05)}, {self._one(self.q95)}]" if self.q05 < self.q95 else ""
        return f"{self._one(self.point)}{ends}"

    def _one(self, value: float) -> str:
        if np.isinf(value):
            return f"> {self.most:.4g}"
        return f"< {self.least:.4g}" if value == 0 < self.least else f"{value:.4g}"

    def to_dict(self) -> dict[str, Any]:
        """Ends that were not found are None."""
        found = {name: getattr(self, name) for name in ("point", "q05", "q95")}
        told = {k: None if np.isinf(v) or v == 0 < self.least else v for k, v in found.items()}
        limits = {"least": self.least, "most": self.most}
        return told | {k: v for k, v in limits.items() if 0 < v < np.inf}


def answer_of(values: Array, least: float = 0.0, most: float = float("inf")) -> Answer:
    """The estimate, which comes first, and the quantiles of the rest."""
    point = float(values[0])
    if len(values) == 1:
        return Answer(point, point, point, least, most)
    q05, q95 = np.quantile(values[1:], [0.05, 0.95], method="inverted_cdf")
    return Answer(point, float(q05), float(q95), least, most)


def to_json(value: Any) -> Any:
    """An answer of any of these kinds as JSON has it."""
    if isinstance(value, Answer):
        return value.to_dict()
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    return value
