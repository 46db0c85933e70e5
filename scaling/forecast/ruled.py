"""The fits that a proof's rule asks for, family by family, and what they say of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit import Fit, Objective, fit
from scaling.grid import Proof
from scaling.table import FAMILY, select_rows, with_recovered

T = TypeVar("T")


def fits_by_family(table: pd.DataFrame, rule: Proof) -> dict[str, list[Fit]]:
    """The rule's fits to the pilots of each family alone; under "" where the table names none."""
    return {name: fits(part, rule) for name, part in families_of(table, rule).items()}


def families_of(table: pd.DataFrame, rule: Proof) -> dict[str, pd.DataFrame]:
    """The table's rows by family, of those families that have rows for the rule's fits."""
    if rule.recovered == "include":
        table = with_recovered(table)
    chosen, _ = select_rows(table, rule.where, by=FAMILY)
    names = sorted({str(name) for name in chosen[FAMILY].dropna()}) if FAMILY in chosen else []
    if len(names) <= 1:
        return dict.fromkeys(names or [""], table)
    return {name: table[table[FAMILY] == name] for name in names}


def fits(table: pd.DataFrame, rule: Proof) -> list[Fit]:
    """The fits that the rule asks for: one, or one for each combination of its fixed values."""
    combinations: list[dict[str, float]] = [{}]
    for name, values in rule.fixed.items():
        combinations = [{**known, name: value} for known in combinations for value in values]
    return [
        fit(
            rule.law,
            table,
            objective=Objective(rule.objective, rule.delta),
            N=rule.N,
            draws=rule.draws,
            fixed=fixed,
            where=rule.where,
        )
        for fixed in combinations
    ]


def predict(
    members: Sequence[Fit], N: float, D: float, ratio: float, rule: Proof
) -> tuple[float, NDArray[np.float64]]:
    """Point forecast and draws of one new run's loss, pooled over the rule's fits.

    Each member's draws carry its parameters' uncertainty and a run's own scatter. On top stands
    the rule's stated `discrepancy`: the law's relative error for each e-fold of compute beyond the
    pilots, as a normal standard deviation.
    """
    point = float(np.mean([member.loss(N, D).point for member in members]))
    pooled = np.concatenate([member.loss(N, D, noise=True).draws for member in members])
    spread = rule.discrepancy * max(0.0, float(np.log(ratio)))
    wobble = np.random.default_rng(0).normal(0.0, spread, len(pooled))
    return point, pooled * np.exp(wobble)


@dataclass(frozen=True)
class Goal:
    """What pilots are trained for: a run of C FLOPs, of N and D where these are known, else of the
    size that the rule's law calls best."""

    C: float
    N: float | None = None
    D: float | None = None


@dataclass(frozen=True)
class Seen:
    """What a rule says of a goal: loss, and the central 90 % of one new run's; all as the proof
    states them. width: of the interval, as a share of the loss."""

    loss: float
    q05: float
    q95: float

    @property
    def width(self) -> float:
        return (self.q95 - self.q05) / self.loss


def at_goal(table: pd.DataFrame, rule: Proof, goal: Goal) -> Seen:
    """What the rule's fits to a table of one family say of a goal."""
    members = fits(with_recovered(table) if rule.recovered == "include" else table, rule)
    return seen_at(members, rule, goal)


def seen_at(members: Sequence[Fit], rule: Proof, goal: Goal) -> Seen:
    """What the rule's fits say of a goal."""
    N, D = goal.N, goal.D
    if N is None or D is None:
        best = [member.optimum(goal.C) for member in members]
        N, D = (
            float(np.exp(np.mean([np.log(getattr(one, name).point) for one in best])))
            for name in ("N", "D")
        )
    point, draws = predict(members, N, D, goal.C / members[0].c_max, rule)
    low, high = np.quantile(draws, [0.05, 0.95])
    return Seen(point, float(low), float(high))


def of_family(known: Mapping[str, T], target: str, family: str) -> T:
    """What is known of the target's own family; the only thing known where no family is named."""
    if family in known:
        return known[family]
    if len(known) == 1 and ("" in known or not family):
        return next(iter(known.values()))
    raise InputError(
        f"target {target}: its family {family or '(none)'} has no pilots in the fit, only "
        f"{', '.join(known)}; a law of one family says nothing of another"
    )


def alone(by_family: Mapping[str, T]) -> T | dict[str, T]:
    """The only family's own, as studies of one family have it; else all by name."""
    if len(by_family) == 1:
        return next(iter(by_family.values()))
    return dict(by_family)
