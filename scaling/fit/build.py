"""Law + columns -> Problem: which coordinates are fitted, how they map to parameters and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling.errors import InputError
from scaling.fit.objective import Objective
from scaling.fit.problem import Array, Column, Index, Problem, Scale
from scaling.laws.generic import form_of
from scaling.laws.law import Feature, Form, Law, Param

# A term that is e^-40 or e^40 of a nat at the centre of the data: bounds that stop a runaway.
_TERM_LIMIT = 40.0


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows of several data sets (optimisers, families) that share some coordinates of one law."""

    names: tuple[str, ...]
    number: Index  # group of each row
    shared: frozenset[str]  # coordinates that all groups have in common

    def coordinate(self, name: str, group: int) -> str:
        """What the coordinate is called in that group."""
        return name if name in self.shared else f"{name}[{self.names[group]}]"

    def all_of(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.coordinate(name, g) for g in range(len(self.names))))


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The map between a law's parameters and the coordinates that are fitted.

    `centre` holds mean ln variable of the rows; an intercept coordinate is the height of its
    term there, not at ln variable = 0, which lies far outside the data.
    """

    law: Law
    form: Form
    fixed: Mapping[str, float]  # coordinate -> its constant value
    names: tuple[str, ...]  # the free coordinates of one group
    centre: Mapping[str, float]
    groups: Groups

    @property
    def all_names(self) -> tuple[str, ...]:
        """The free coordinates of all groups."""
        return tuple(full for name in self.names for full in self.groups.all_of(name))

    def kind(self, name: str) -> Param:
        return self.form.coordinates.get(name) or self.law.params[name]

    def intercepts(self) -> dict[str, Feature]:
        return {f.intercept: f for f in self.form.features if f.variable is not None}

    def encode(self, params: Mapping[str, Any]) -> Array:
        """One group's parameters (numbers or arrays [b]) -> its free coordinates [..., p]."""
        own = self.form.encode(params)
        scaled = {name: self._scaled(name, value) for name, value in own.items()}
        for name, feature in self.intercepts().items():
            slope = own[feature.slope] if feature.slope else 1.0
            scaled[name] = scaled[name] - slope * self.centre[feature.variable or ""]
        return np.stack(np.broadcast_arrays(*(scaled[name] for name in self.names)), axis=-1)

    def join(self, by_group: Array) -> Array:
        """Coordinates of each group [groups, b, p] -> those of all [b, q], shared ones averaged."""
        where = self.where()
        joint = np.zeros((by_group.shape[1], len(self.all_names)))
        times = np.bincount(where.ravel(), minlength=joint.shape[1])
        for group, own in enumerate(where):
            joint[:, own] += by_group[group] / times[own]
        return joint

    def part(self, u: Array, group: int) -> Array:
        """The coordinates of one group [..., p] among those of all [..., q]."""
        return np.asarray(u[..., self.where()[group]])

    def decode(self, u: Array) -> dict[str, Array]:
        """One group's free coordinates [..., p] -> every parameter of the law, each [...]."""
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

    def where(self) -> Index:
        """Position of each group's coordinates among all, [groups, p]."""
        position = {full: i for i, full in enumerate(self.all_names)}
        return np.array(
            [
                [position[self.groups.coordinate(name, g)] for name in self.names]
                for g in range(len(self.groups.names))
            ],
            dtype=np.intp,
        )

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
    *,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    weights: Array | None = None,
    groups: Groups | None = None,
) -> tuple[Problem, Coordinates]:
    """The problem of fitting `law` to loss [rows] at the variables x (each [rows]).

    fixed, bounds: parameters held at a value or kept in a range; weights [rows], 1 by default.
    Raises InputError for a parameter that the law doesn't have, a value out of its bounds, or one
    that is mixed with others in the law's coordinates (Kaplan's Nc and aN).
    """
    fixed, bounds = dict(fixed or {}), dict(bounds or {})
    form = form_of(law, x)
    for name, limits in bounds.items():
        _check_bounds(law, form, name, limits)
    _check_fixed(law, form, fixed)
    order = list(
        dict.fromkeys(
            name for f in form.features for name in (f.intercept, f.slope) if name is not None
        )
    )
    # A fixed or bounded amplitude is known at ln variable = 0: its variable can't be centred.
    pinned = {f.variable for f in form.features if f.intercept in {*fixed, *bounds}}
    placed = {f.variable for f in form.features} - {None} - pinned
    centre = {v: float(np.log(x[v]).mean()) if v in placed else 0.0 for v in law.variables}
    constants = {
        name: float(np.log(v)) if law.params[name].scale == "log" else float(v)
        for name, v in fixed.items()
    }
    names = tuple(name for name in order if name not in fixed)
    groups = groups or Groups(("all",), np.zeros(len(loss), dtype=np.intp), frozenset(names))
    coordinates = Coordinates(law, form, constants, names, centre, groups)
    box = {name: _bounds(coordinates, name, bounds.get(name)) for name in names}
    if on == "log_reducible":
        box["E"] = _below_all(law, form, box, float(loss.min()))
    base = [name for name in names for _ in groups.all_of(name)]
    position = {full: i for i, full in enumerate(coordinates.all_names)}
    return Problem(
        names=coordinates.all_names,
        lower=np.array([box[name][0] for name in base]),
        upper=np.array([box[name][1] for name in base]),
        columns=tuple(_column(f, x, coordinates, position) for f in form.features),
        core=form.core,
        loss=loss,
        objective=objective,
        on=on,
        weights=np.ones(len(loss)) if weights is None else weights,
        plain=form.plain,
        level=form.level,
        irreducible=next((j for j, f in enumerate(form.features) if f.intercept == "E"), -1),
        linear=tuple(i for i, name in enumerate(base) if name in law.linear),
        logs=tuple(i for i, name in enumerate(base) if coordinates.kind(name).scale == "log"),
    ), coordinates


def _below_all(
    law: Law, form: Form, box: Mapping[str, tuple[float, float]], least: float
) -> tuple[float, float]:
    """The range of E where every loss must lie above it."""
    if "E" not in box or not any(f.intercept == "E" and not f.variable for f in form.features):
        raise InputError(f"law {law.name} has no free E: residuals of the reducible loss need one")
    low, high = box["E"][0], min(box["E"][1], least - 1e-9 * abs(least))
    if not low < high:
        raise InputError(
            f"bound of E = {low:g}: the least loss is {least:g}, and residuals of the reducible "
            "loss need every loss above E"
        )
    return low, high


def _check_fixed(law: Law, form: Form, fixed: Mapping[str, float], what: str = "fixed") -> None:
    own = [
        name for name in law.params if any(name in (f.intercept, f.slope) for f in form.features)
    ]
    for name, value in fixed.items():
        if name not in law.params:
            raise InputError(
                f"{what} {name}: law {law.name} has no such parameter, only {', '.join(law.params)}"
            )
        if name not in own:
            raise InputError(
                f"{what} {name}: law {law.name} can only hold {', '.join(own) or 'none'}; others "
                "are fitted through combinations of them"
            )
        kind = law.params[name]
        if not (np.isfinite(value) and kind.lower <= value <= kind.upper) or (
            kind.scale == "log" and value <= 0
        ):
            raise InputError(
                f"{what} {name} = {value}: law {law.name} takes {kind.lower:g} to {kind.upper:g}"
            )


def _check_bounds(law: Law, form: Form, name: str, limits: tuple[float, float]) -> None:
    scale = law.params[name].scale if name in law.params else "linear"
    for value in limits:
        if np.isfinite(value) and not (value == 0 and scale == "log"):
            _check_fixed(law, form, {name: value}, "bound of")
    if not limits[0] < limits[1]:
        raise InputError(f"bounds of {name}: {limits[0]:g} must lie below {limits[1]:g}")


def _bounds(
    coordinates: Coordinates, name: str, limits: tuple[float, float] | None
) -> tuple[float, float]:
    kind = coordinates.kind(name)
    if limits is not None:
        kind = replace(kind, lower=limits[0], upper=limits[1])
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
    coordinates: Coordinates,
    position: Mapping[str, int],
) -> Column:
    groups = coordinates.groups
    rows = len(groups.number)
    offset = np.zeros(rows)
    parts: list[tuple[str, Array]] = [(feature.intercept, np.ones(rows))]
    if feature.variable is not None:
        run = np.log(x[feature.variable]) - coordinates.centre[feature.variable]
        if feature.slope is None:
            offset = offset - run
        else:
            parts.append((feature.slope, -run))
    where: list[int] = []
    columns: list[Array] = []
    for name, column in parts:
        if name in coordinates.fixed:
            offset = offset + coordinates.fixed[name] * column
            continue
        full = groups.all_of(name)
        where += [position[each] for each in full]
        columns += [
            column if len(full) == 1 else np.where(groups.number == group, column, 0.0)
            for group in range(len(full))
        ]
    matrix = np.stack(columns, axis=1) if columns else np.zeros((rows, 0))
    return Column(np.array(where, dtype=np.intp), matrix, offset)
