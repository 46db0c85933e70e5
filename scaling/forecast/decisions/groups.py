"""A law of each group of a table (families, by default): fits apart, set side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.fitting import fit
from scaling.fit.prediction import Draws
from scaling.fit.result import Fit
from scaling.fit.rows import law_for
from scaling.forecast.decisions.pairing import Pairing, labelled, pairing
from scaling.forecast.interval import Interval
from scaling.forecast.rows import rows_of
from scaling.laws.law import Law
from scaling.table import FAMILY, LeftOut, conventions, select_rows, source_of
from scaling.units import unit_of_d

Array = NDArray[np.float64]

DRAWS = 1000  # of each fit
_ONE_EPOCH = 1.005  # D over D_unique up to which nothing was seen twice
_ALIKE = 1.3  # most over least passes of runs that were meant alike: budgets are rounded to steps


@dataclass(frozen=True, eq=False)
class Groups:
    """The fits of a table's groups under one law and one way of fitting.

    by: the column that groups. fits: by group, each of its own rows only. kinds: the conventions
    that all rows share, without which losses and computes would not compare. notes: what must be
    known of D, in words. refused: groups without a fit, and why. left_out: rows in no fit.
    """

    by: str
    fits: dict[str, Fit]
    kinds: Mapping[str, str]
    notes: tuple[str, ...]
    refused: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    source: str
    pairing: Pairing | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.fits)

    @property
    def law(self) -> Law:
        return next(iter(self.fits.values())).law

    def parameters(self) -> dict[str, dict[str, Interval]]:
        """Each parameter and exponent by name, then by group, with 90 % intervals.

        a, b: of N_opt ~ C^a and D_opt ~ C^b. gamma = a alpha: of L - E ~ C^-gamma along the
        frontier, where the law has an alpha of N.
        """
        found: dict[str, dict[str, Interval]] = {}
        for group, fitted in self.fits.items():
            for name, value in _numbers(fitted).items():
                found.setdefault(name, {})[group] = interval_of(value)
        return found


def fit_by(
    law: Law | str,
    table: pd.DataFrame,
    by: str = FAMILY,
    *,
    N: str = "N",
    where: str | None = None,
    seed: int = 0,
    pair: bool = True,
    **settings: Any,
) -> Groups:
    """Fit a law of N and D to each group of the table's rows alone.

    settings: as of `fit`. A bootstrap over clusters draws runs that groups have in common (one
    seed, one place of the ladder: `pairing`) together, unless `pair` is false. Else groups are
    drawn from independently: each has a seed of its own, the first the one given. A group that
    cannot be fitted is told in `refused`.

    Raises InputError for an unknown column, a law of other variables than N and D, groups whose
    conventions differ, and fewer than two groups with a fit.
    """
    if by not in table.columns:
        raise InputError(
            f"{source_of(table)}: no column {by} to group by; it has "
            f"{', '.join(map(str, table.columns))}; name one of them by --by"
        )
    chosen, left_out = select_rows(table, where, by=by)
    kinds = conventions(chosen)
    law = law_for(law, chosen, N)
    if set(law.variables) != {"N", "D"}:
        raise InputError(
            f"law {law.name} is of {', '.join(law.variables)}; groups are set side by side by laws "
            "of N and D"
        )
    names = sorted({str(name) for name in chosen[by].dropna()})
    fits: dict[str, Fit] = {}
    refused: list[str] = []
    if nameless := int(chosen[by].isna().sum()):
        left_out += (LeftOut(nameless, f"{by} is empty"),)
    parts: dict[str, pd.DataFrame] = {}
    for name in names:
        part = labelled(chosen[chosen[by].astype(str) == name])
        part.attrs["source"] = f"{source_of(table)} ({by} {name})"
        try:
            parts[name] = rows_of(part, N).frame
        except InputError as error:
            refused.append(str(error))
    together, drawn = _together(law, parts, N, seed, settings) if pair else (None, {})
    for number, (name, part) in enumerate(parts.items()):
        own = {"seed": seed + number, "resamples": drawn.get(name), **settings}
        try:
            fits[name] = fit(law, part, N=N, **own)
        except InputError as error:
            refused.append(str(error))
    if len(fits) < 2:
        told = f" ({'; '.join(refused)})" if refused else ""
        raise InputError(
            f"{source_of(table)}: column {by} has {len(fits)} group{'s' * (len(fits) != 1)} that "
            f"can be fitted, of {', '.join(names) or 'none'}; two are needed{told}"
        )
    return Groups(
        by=by,
        fits=fits,
        kinds=kinds,
        notes=tuple(what_d_is(chosen, kinds)),
        refused=tuple(refused),
        left_out=left_out,
        source=source_of(table),
        pairing=together,
    )


def _together(
    law: Law, parts: Mapping[str, pd.DataFrame], N: str, seed: int, settings: Mapping[str, Any]
) -> tuple[Pairing | None, dict[str, Array]]:
    """The pairs of the groups' runs, and their joint bootstrap; none for draws of another kind."""
    draws = settings.get("draws", DRAWS)
    need = len(law.params) - len(settings.get("fixed") or {})
    if draws == 0 or settings.get("kind", "cluster") != "cluster":
        return None, {}
    found = pairing({name: part for name, part in parts.items() if len(part) >= need}, N)
    if found is None:
        return None, {}
    try:
        return found, found.drawn(parts, N, need, draws, seed)
    except InputError:  # a group of too few runs: which one, its own fit will say
        return None, {}


def what_d_is(rows: pd.DataFrame, kinds: Mapping[str, str]) -> Sequence[str]:
    """What a fit in D is a fit in, where data were seen more than once."""
    if "D_unique" not in rows or rows["D_unique"].isna().any():
        return []
    units = unit_of_d(kinds["D_kind"])
    passes = (rows["D"] / rows["D_unique"]).to_numpy(dtype=float)
    least, most = float(passes.min()), float(passes.max())
    if most <= _ONE_EPOCH:
        return []
    distinct = float(rows["D_unique"].max())
    span = f"{least:.3g}" if most <= _ONE_EPOCH * least else f"{least:.3g} to {most:.3g}"
    if most <= _ALIKE * least:
        return [
            f"every run makes {span} passes over its D_unique distinct {units}, so D goes with "
            "D_unique: exponents in D are those of the data set's size too (the largest has "
            f"{distinct:,.0f} distinct {units}), and a D beyond it needs new data, not passes"
        ]
    return [
        f"runs make {span} passes over their D_unique distinct {units}: the law "
        f"of N and D takes every one of the {units} seen as new"
    ]


def interval_of(value: Draws) -> Interval:
    """A number with the central 90 % of its draws."""
    low, high = value.interval()
    return Interval(float(value.point), float(low), float(high))


def thinned(fitted: Fit, draws: int) -> Fit:
    """The fit with its first `draws` draws: those of several groups are paired by their number."""
    return replace(fitted, draws=fitted.draws[:draws])


def paired(found: Groups) -> dict[str, Fit]:
    """The fits with equally many draws, which stand beside each other by number."""
    draws = min(len(fitted.draws) for fitted in found.fits.values())
    if draws == 0:
        raise InputError("groups are set side by side by their draws, and there are none")
    return {name: thinned(fitted, draws) for name, fitted in found.fits.items()}


def _numbers(fitted: Fit) -> dict[str, Draws]:
    draws = fitted.params_draws()
    found = {
        name: Draws(np.asarray(value), draws[name]) for name, value in fitted.params.items()
    } | fitted.exponents()
    if {"a", "alpha"} <= set(found):
        a, alpha = found["a"], found["alpha"]
        found["gamma"] = Draws(np.asarray(a.point * alpha.point), a.draws * alpha.draws)
    return found
