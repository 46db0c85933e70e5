"""The law that a running study's pilots show so far, and how its forecasts move as cells come in.

Fitted anew, with few draws, only when other runs are to be fitted than before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.amounts import quantity
from scaling.errors import InputError
from scaling.fit import Fit
from scaling.forecast.ruled import Goal, Seen, families_of, fits, seen_at
from scaling.grid import Proof
from scaling.table import FAMILY, conventions, select_rows, with_recovered
from scaling.units import unit_of_d

DRAWS = 100  # of each fit: enough to see where a forecast goes
AHEAD = 10.0  # times the largest planned pilot's compute, where a study has no targets
# What was forecast before anybody watched is shown at these shares of the runs there are.
_SHARES = (0.25, 0.5, 0.75)
_MOST = 100  # points of a trail; of longer ones every other is dropped


@dataclass(frozen=True)
class Aim:
    """What is forecast: a run of one family."""

    family: str
    told: str
    goal: Goal


@dataclass(frozen=True)
class Forecast:
    """Of an aim, by so many runs, the last of which was trained `at`. ratio: the aim's compute
    over that of the largest run fitted."""

    runs: int
    at: str
    ratio: float
    seen: Seen


@dataclass(frozen=True)
class Trail:
    """The forecasts of one aim, oldest first."""

    aim: Aim
    forecasts: tuple[Forecast, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "family": self.aim.family,
            "aim": self.aim.told,
            **asdict(self.aim.goal),
            "forecasts": [
                {"runs": one.runs, "at": one.at, "compute_ratio": one.ratio, **asdict(one.seen)}
                for one in self.forecasts
            ],
        }


@dataclass(frozen=True)
class FamilyLaw:
    """The rule's fits to one family's runs, or why there are none. at: when the last of these runs
    was trained."""

    family: str
    members: tuple[Fit, ...]
    runs: int
    at: str
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "runs": self.runs,
            "last_changed": self.at,
            "why_not": self.why,
            "fits": [
                {
                    "law": fit.law.name,
                    "formula": fit.law.formula,
                    "N": fit.n_column,
                    "params": fit.params,
                    "intervals": {name: fit.interval(name) for name in fit.params},
                    "fixed": fit.fixed,
                    "status": fit.status,
                    "draws": len(fit.draws),
                }
                for fit in self.members
            ],
        }


@dataclass(frozen=True)
class SoFar:
    """What is known by now. kinds: the conventions of the table; why: where there is no law."""

    laws: tuple[FamilyLaw, ...] = ()
    trails: tuple[Trail, ...] = ()
    kinds: Mapping[str, str] | None = None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "laws": [law.to_dict() for law in self.laws],
            "forecasts": [trail.to_dict() for trail in self.trails],
            "why_not": self.why,
        }


class Follower:
    """Keeps the law of one study up to date. fitted: how often it was fitted anew."""

    def __init__(self) -> None:
        self.fitted = 0
        self._key: Any = None
        self._known = SoFar()
        self._laws: dict[str, tuple[Any, FamilyLaw]] = {}
        self._trails: dict[Aim, list[Forecast]] = {}

    def follow(self, table: pd.DataFrame, rule: Proof, planned: Sequence[dict[str, Any]]) -> SoFar:
        """The law by a rule, of a table's runs with `trained_at`. planned: rows of the plan."""
        rule = rule.model_copy(update={"draws": min(rule.draws, DRAWS)})
        key = rule.model_dump_json(), _facts(table), tuple(row["run"] for row in planned)
        if key != self._key:
            self._key, self._known = key, self._by_family(table, rule, planned)
        return self._known

    def _by_family(
        self, table: pd.DataFrame, rule: Proof, planned: Sequence[dict[str, Any]]
    ) -> SoFar:
        if rule.N not in table or table[rule.N].isna().all():
            rule = rule.model_copy(update={"N": "N"})
        if rule.recovered == "include":
            table = with_recovered(table)
        try:
            kinds = conventions(table)
            parts = families_of(table, rule)
        except InputError as error:
            return SoFar(why=_plain(error))
        aims = _aims(planned, table, rule)
        known = {aim: self._trails.get(aim, []) for aim in aims}
        laws = []
        for family, part in parts.items():
            own = [aim for aim in aims if "" in (family, aim.family) or family == aim.family]
            laws.append(self._of(family, part, rule, own, known))
        self._trails = known
        trails = tuple(Trail(aim, tuple(found)) for aim, found in known.items() if found)
        return SoFar(tuple(laws), trails, kinds)

    def _of(
        self,
        family: str,
        part: pd.DataFrame,
        rule: Proof,
        aims: Sequence[Aim],
        trails: dict[Aim, list[Forecast]],
    ) -> FamilyLaw:
        try:
            rows, _ = select_rows(part, rule.where)
        except InputError as error:
            return FamilyLaw(family, (), 0, "", _plain(error))
        rows = rows.sort_values("trained_at", kind="stable")
        key = rule.model_dump_json(), _facts(rows), tuple(aims)
        if family in self._laws and self._laws[family][0] == key:
            return self._laws[family][1]
        if aims and not any(trails[aim] for aim in aims):
            for share in _SHARES:
                before = rows.iloc[: math.ceil(share * len(rows))]
                self._fit(family, before, rule, aims, trails)
        found = self._fit(family, rows, rule, aims, trails)
        self._laws[family] = key, found
        return found

    def _fit(
        self,
        family: str,
        rows: pd.DataFrame,
        rule: Proof,
        aims: Sequence[Aim],
        trails: dict[Aim, list[Forecast]],
    ) -> FamilyLaw:
        """A fit to some runs, and what it says of each aim at the end of its trail."""
        at = str(rows["trained_at"].iloc[-1])
        self.fitted += 1
        try:
            # they are chosen already, and of a recovered run the status is another by now
            members = tuple(fits(rows, rule))
        except InputError as error:
            return FamilyLaw(family, (), len(rows), at, _plain(error))
        for aim in aims:
            try:
                seen = seen_at(members, rule, aim.goal)
            except InputError:
                continue  # a law of other variables says nothing of this aim
            if not np.isfinite([seen.loss, seen.q05, seen.q95]).all():
                continue
            trail = trails[aim]
            trail.append(Forecast(len(rows), at, aim.goal.C / members[0].c_max, seen))
            if len(trail) > _MOST:
                del trail[1:-1:2]
        return FamilyLaw(family, members, len(rows), at)


def _facts(table: pd.DataFrame) -> tuple[Any, ...]:
    """What fits depend on: which runs there are, and what came of each."""
    return tuple(zip(table["run"], table["status"], table["trained_at"], strict=True))


def _aims(planned: Sequence[dict[str, Any]], table: pd.DataFrame, rule: Proof) -> list[Aim]:
    """A study's targets, one of each size; else, of each family, ten times its largest pilot."""
    unit = unit_of_d(conventions(table)["D_kind"])
    found: dict[Any, Aim] = {}
    for row in planned:
        if row["role"] == "target" and row.get(rule.N):
            N, D, C = float(row[rule.N]), float(row["D"]), float(row["C"])
            told = f"target {rule.N} {quantity(N)}, {quantity(D)} {unit}"
            family = str(row[FAMILY])
            found[family, N, D] = Aim(family, told, Goal(C, N, D))
    if found:
        return list(found.values())
    rows = planned or [dict(row) for _, row in table.iterrows()]
    largest: dict[str, float] = {}
    for row in rows:
        if row["role"] == "pilot":
            family = str(row[FAMILY])
            largest[family] = max(float(row["C"]), largest.get(family, 0.0))
    whose = "planned" if planned else "trained"
    return [
        Aim(family, f"{AHEAD:g}x the compute of the largest {whose} pilot", Goal(AHEAD * C))
        for family, C in largest.items()
    ]


def _plain(error: InputError) -> str:
    return str(error).removeprefix("table: ")
