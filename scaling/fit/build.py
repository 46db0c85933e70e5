"""Law + columns -> Problem: which coordinates are fitted, how they map to parameters and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.errors import InputError
from scaling.fit.objective import Objective
from scaling.fit.problem import Array, Column, Problem, Scale
from scaling.laws.generic import form_of
from scaling.laws.law import Feature, Form, Law, Param

# A term that is e^-40 or e^40 of a nat at the centre of the data: bounds that stop a runaway.
_TERM_LIMIT = 40.0


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The map between a law's parameters and the coordinates that are fitted.

    `centre` holds mean ln variable of the rows; an intercept coordinate is the height of its
    term there, not at ln variable = 0, which lies far outside the data.
    """

    law: Law
    form: Form
    fixed: Mapping[str, float]  # coordinate -> its constant value
    names: tuple[str, ...]  # the free coordinates
    centre: Mapping[str, float]

    def kind(self, name: str) -> Param:
        return self.form.coordinates.get(name) or self.law.params[name]

    def intercepts(self) -> dict[str, Feature]:
        return {f.intercept: f for f in self.form.features if f.variable is not None}

    def encode(self, params: Mapping[str, Any]) -> Array:
        """Parameters (numbers or arrays of shape [b]) -> free coordinates [..., p]."""
        own = self.form.encode(params)
        scaled = {name: self._scaled(name, value) for name, value in own.items()}
        for name, feature in self.intercepts().items():
            slope = own[feature.slope] if feature.slope else 1.0
            scaled[name] = scaled[name] - slope * self.centre[feature.variable or ""]
        return np.stack(np.broadcast_arrays(*(scaled[name] for name in self.names)), axis=-1)

    def decode(self, u: Array) -> dict[str, Array]:
        """Free coordinates [..., p] -> every parameter of the law, each [...]."""
        shape = u.shape[:-1]
        scaled = {name: u[..., i] for i, name in enumerate(self.names)}
        scaled |= {name: np.full(shape, value) for name, value in self.fixed.items()}
        heights = dict(scaled)
        for name, feature in self.intercepts().items():
            slope = scaled[feature.slope] if feature.slope else 1.0
            heights[name] = scaled[name] + slope * self.centre[feature.variable or ""]
        with np.errstate(over="ignore"):  # the largest float stands for an infinite amplitude
            own = {
                name: np.exp(value) if self.kind(name).scale == "log" else value
                for name, value in heights.items()
            }
            params = self.form.decode(own)
        return {name: np.nan_to_num(np.asarray(params[name])) for name in self.law.params}

    def _scaled(self, name: str, value: Any) -> Any:
        if self.kind(name).scale == "linear":
            return value
        return np.log(np.maximum(value, np.finfo(float).tiny))


def build(
    law: Law,
    x: Mapping[str, Array],
    loss: Array,
    objective: Objective,
    on: Scale,
    fixed: Mapping[str, float] | None = None,
) -> tuple[Problem, Coordinates]:
    """The problem of fitting `law` to loss [rows] at the variables x (each [rows]).

    fixed: parameters held at a value. Raises InputError for one that the law doesn't have, that is
    out of its bounds, or that is mixed with others in the law's coordinates (Kaplan's Nc and aN).
    """
    fixed = dict(fixed or {})
    form = form_of(law, x)
    _check_fixed(law, form, fixed)
    order = list(
        dict.fromkeys(
            name for f in form.features for name in (f.intercept, f.slope) if name is not None
        )
    )
    # A fixed amplitude is known at ln variable = 0, so its variable can't be centred.
    pinned = {f.variable for f in form.features if f.intercept in fixed}
    centre = {v: 0.0 if v in pinned else float(np.log(x[v]).mean()) for v in law.variables}
    constants = {
        name: float(np.log(v)) if law.params[name].scale == "log" else float(v)
        for name, v in fixed.items()
    }
    names = tuple(name for name in order if name not in fixed)
    coordinates = Coordinates(law, form, constants, names, centre)
    box = np.array([_bounds(coordinates, name) for name in names]).reshape(-1, 2)
    columns = tuple(_column(f, x, centre, names, constants) for f in form.features)
    target = np.log(loss) if on == "log_loss" else loss
    problem = Problem(names, box[:, 0], box[:, 1], columns, form.core, target, objective, on)
    return problem, coordinates


def _check_fixed(law: Law, form: Form, fixed: Mapping[str, float]) -> None:
    own = [
        name for name in law.params if any(name in (f.intercept, f.slope) for f in form.features)
    ]
    for name, value in fixed.items():
        if name not in law.params:
            raise InputError(
                f"fixed {name}: law {law.name} has no such parameter, only {', '.join(law.params)}"
            )
        if name not in own:
            raise InputError(
                f"fixed {name}: law {law.name} can only fix {', '.join(own) or 'none'}; the others "
                "are fitted through combinations of them"
            )
        kind = law.params[name]
        if not (np.isfinite(value) and kind.lower <= value <= kind.upper) or (
            kind.scale == "log" and value <= 0
        ):
            raise InputError(
                f"fixed {name} = {value}: law {law.name} takes {kind.lower:g} to {kind.upper:g}"
            )


def _bounds(coordinates: Coordinates, name: str) -> tuple[float, float]:
    kind = coordinates.kind(name)
    feature = coordinates.intercepts().get(name)
    if feature is not None and coordinates.centre[feature.variable or ""] != 0.0:
        return -_TERM_LIMIT, _TERM_LIMIT
    if kind.scale == "linear":
        return kind.lower, kind.upper
    lower = np.log(kind.lower) if kind.lower > 0 else -np.inf
    return float(lower), float(np.log(kind.upper))


def _column(
    feature: Feature,
    x: Mapping[str, Array],
    centre: Mapping[str, float],
    names: tuple[str, ...],
    constants: Mapping[str, float],
) -> Column:
    rows = len(next(iter(x.values())))
    offset = np.zeros(rows)
    parts: list[tuple[str, Array]] = [(feature.intercept, np.ones(rows))]
    if feature.variable is not None:
        run = np.log(x[feature.variable]) - centre[feature.variable]
        if feature.slope is None:
            offset = offset - run
        else:
            parts.append((feature.slope, -run))
    kept = [(names.index(name), column) for name, column in parts if name in names]
    for name, column in parts:
        if name in constants:
            offset = offset + constants[name] * column
    matrix = np.stack([c for _, c in kept], axis=1) if kept else np.zeros((rows, 0))
    return Column(np.array([i for i, _ in kept], dtype=np.intp), matrix, offset)
