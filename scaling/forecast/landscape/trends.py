"""How the error of image models fell with size, compute and time.

Over many recipes, data sets and test conditions: what the field did, not a scaling law of one
recipe. Models of one family share much, so that the bootstrap draws families, not models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from scaling.fit import fit, squared
from scaling.fit.prediction import Draws
from scaling.forecast.further.answers import Answer, answer_of

Array = NDArray[np.float64]

SAID = (
    "trends over models of different recipes, data and tests: correlations across the field, "
    "not a scaling law of one recipe"
)
ALL = ("size", "compute", "year", "record")
_LEAST = 8  # models of at least 3 families, or there is no trend to speak of
_FAMILIES = 3
_FLOOR_DRAWS = 200


@dataclass(frozen=True, eq=False)
class Trend:
    """A straight line of ln(top-1 error) against ln x, or against the year.

    of: "size", "compute", "year", or "record" (the year, over models that were the best when they
    came out). slope: d ln error / d ln x, or a year. floor: the irreducible error where a power law
    with one is fitted instead; None where it is not asked (years). draws [n, 2]: height at the
    centre, and slope; the estimate first.
    """

    of: str
    column: str
    models: pd.DataFrame
    slope: Answer
    floor: Answer | None
    centre: float
    draws: Array

    @property
    def by_year(self) -> bool:
        return self.column == "year"

    @property
    def halving(self) -> Answer | None:
        """Years in which the error halves; None where the interval holds no fall at all."""
        if not self.by_year or self.slope.q95 >= 0:
            return None
        return answer_of(np.log(2) / -self.draws[:, 1])

    @property
    def per_decade(self) -> Answer | None:
        """What ten times as much multiplies the error by; None of years."""
        return None if self.by_year else answer_of(10 ** self.draws[:, 1])

    def at(self, x: ArrayLike) -> Draws:
        """The error on the line at x [...]."""
        z = (np.asarray(x, float) if self.by_year else np.log(np.asarray(x, float))) - self.centre
        lines = np.exp(self.draws[:, 0, None] + self.draws[:, 1, None] * z.reshape(1, -1))
        lines = lines.reshape(-1, *z.shape)
        return Draws(lines[0], lines[1:])

    def __str__(self) -> str:
        seen = f"{len(self.models)} models of {self.models['family'].nunique()} families"
        if self.by_year:
            who = "of records" if self.of == "record" else "of all"
            half = self.halving
            falls = "no fall that is sure" if half is None else f"halves in {_short(half)} years"
            return f"top-1 error {who} against time: {falls}; {seen}"
        assert self.per_decade is not None  # known but for years
        floor = f"; floor of a power law with one {_short(self.floor)}" if self.floor else ""
        return (
            f"top-1 error ~ {self.of}^slope: slope {_short(self.slope)}, tenfold {self.of}: "
            f"error x {_short(self.per_decade)}{floor}; {seen}"
        )

    def to_dict(self) -> dict[str, Any]:
        def told(answer: Answer | None) -> dict[str, Any] | None:
            return None if answer is None else answer.to_dict()

        return {
            "of": self.of,
            "column": self.column,
            "slope": self.slope.to_dict(),
            "per_decade": told(self.per_decade),
            "halving_years": told(self.halving),
            "floor": told(self.floor),
            "n_models": len(self.models),
            "n_families": int(self.models["family"].nunique()),
            "models": self.models["name"].tolist(),
        }


def _short(answer: Answer) -> str:
    return f"{answer.point:.3g} [{answer.q05:.3g}, {answer.q95:.3g}]"


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """The models that a trend may hold: single, trained on ImageNet's labels, known top-1 error."""
    single = table["test"].isin(["one crop", "several crops"])
    taught = table["training"].isin(["from scratch", "fine-tuned"])
    fact = table["known"] == "published"
    return table[single & taught & fact & table["top1_error"].notna()]


def records(table: pd.DataFrame) -> pd.DataFrame:
    """Those that were the best of the table when they came out."""
    rows = comparable(table).sort_values(["year", "top1_error"], kind="stable")
    before = rows["top1_error"].cummin().shift(fill_value=np.inf)
    return rows[rows["top1_error"] < before]


def trends(table: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> list[Trend]:
    """Error against size, compute and time, as far as there are models enough for each."""
    rows, best = comparable(table), records(table)
    dense = rows[rows["type"] == "dense"]
    asked = (("size", "N_total", dense), ("compute", "compute", rows), ("year", "year", rows),
             ("record", "year", best))  # fmt: skip
    return [
        _trend(of, column, known, draws, seed)
        for of, column, known in ((of, c, r[r[c].notna()]) for of, c, r in asked)
        if len(known) >= _LEAST and known["family"].nunique() >= _FAMILIES
    ]


def _trend(of: str, column: str, rows: pd.DataFrame, draws: int, seed: int) -> Trend:
    by_year = column == "year"
    x = rows[column].to_numpy(dtype=float)
    x = x if by_year else np.log(x)
    centre = float(x.mean())
    y = np.log(rows["top1_error"].to_numpy(dtype=float))
    family = np.unique(rows["family"].to_numpy(dtype=str), return_inverse=True)[1]
    lines = _lines(x - centre, y, family, draws, seed)
    floor = None if by_year else _floor(rows, column, seed)
    return Trend(of, column, rows, answer_of(lines[:, 1]), floor, centre, lines)


def _lines(x: Array, y: Array, family: NDArray[np.intp], draws: int, seed: int) -> Array:
    """Height at x = 0 and slope by least squares: of all rows first, then of drawn families."""
    n = int(family.max()) + 1
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=draws)
    weights = np.concatenate([np.ones((1, len(x))), counts[:, family].astype(float)])
    weights /= weights.sum(axis=1, keepdims=True)
    mean_x, mean_y = weights @ x, weights @ y
    slope = (weights @ (x * y) - mean_x * mean_y) / (weights @ x**2 - mean_x**2)
    return np.stack([mean_y - slope * mean_x, slope], axis=1)


def _floor(rows: pd.DataFrame, column: str, seed: int) -> Answer:
    """The irreducible error of Hestness' law a x^b + g, by the house's own fit."""
    frame = pd.DataFrame(
        {"D": rows[column], "loss": rows["top1_error"], "trunk": rows["family"]}
    ).astype({"D": float, "loss": float})
    fitted = fit("hestness", frame, objective=squared(), draws=_FLOOR_DRAWS, seed=seed)
    return answer_of(np.concatenate([[fitted.params["g"]], fitted.params_draws()["g"]]))
