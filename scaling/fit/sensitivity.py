"""How much a model suffers from a wrong learning rate, and how that grows with its size.

Sensitivity (Wortsman et al. 2023, arXiv:2309.14322, section 2): the mean over a range of learning
rates, even in their logarithm, of min(loss, loss at initialisation) minus the range's lowest loss.
A run that diverged counts as one that stayed at its initialisation.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.sweeps import BATCHES
from scaling.table import check_table, source_of

Array = NDArray[np.float64]

USUAL = "as usual"
_SIZED = ("width", "depth", "heads")  # of a configuration: what a ladder varies
_RATES = 3


def sensitivity(rates: Array, loss: Array, cap: float) -> float:
    """Of losses [points] at rates [points], in the loss's unit; NaN where a run diverged."""
    order = np.argsort(rates)
    x, y = np.log(rates[order]), np.fmin(loss[order], cap)
    if len(x) < 2 or not np.ptp(x) > 0:
        raise InputError(f"sensitivity needs two different learning rates; given {rates.tolist()}")
    return float(np.trapezoid(y - y.min(), x) / (x[-1] - x[0]))


def sensitivities(table: pd.DataFrame, *, cap: float | None = None) -> pd.DataFrame:
    """One row an (intervention, N, seed) of a run table: sensitivity, best_loss, best_rate, the
    number of runs that diverged, and attention_logit, the largest of all its runs.

    intervention: what the runs do otherwise than most (`interventions`). cap: the loss at
    initialisation; by default that of a uniform guess among the vocabulary or the classes.
    """
    needs = [c for c in ("learning_rate", "N", "loss", "seed") if c not in table.columns]
    if needs:
        raise InputError(f"{source_of(table)}: no column {', '.join(needs)}: this is no sweep")
    if "status" in table.columns:  # failed ones say nothing of the rate
        table = table[table["status"].isin(["finished", "recovered", "diverged"])]
    check_table(table, ("learning_rate", "N"))
    table = table.assign(intervention=interventions(table))
    rows = []
    keys = ["intervention", "N", "seed"]
    for _, own in table.groupby(keys, sort=False):
        name, size, seed = (own[key].iloc[0] for key in keys)
        rates = own["learning_rate"].to_numpy(float)
        if len(np.unique(rates)) < _RATES or len(rates) > len(np.unique(rates)):
            raise InputError(
                f"{source_of(table)}: {name}, N = {size:g}, seed {seed}: {len(rates)} runs at "
                f"{len(np.unique(rates))} rates; a sweep has one run at each of {_RATES} or more"
            )
        top = cap if cap is not None else _uniform(own)
        loss = own["loss"].to_numpy(float)
        best = int(np.nanargmin(np.where(np.isfinite(loss), loss, np.inf)))
        logits = own["attention_logit"] if "attention_logit" in own else pd.Series([np.nan])
        rows.append(
            {
                "intervention": name,
                "N": float(size),
                "seed": int(seed),
                "sensitivity": sensitivity(rates, loss, top),
                "best_loss": float(loss[best]),
                "best_rate": float(rates[best]),
                "diverged": int((~np.isfinite(loss)).sum()),
                "attention_logit": float(logits.max()),
                "cap": top,
            }
        )
    return pd.DataFrame(rows)


def interventions(table: pd.DataFrame) -> pd.Series:
    """What each run does otherwise than most of the table: "qk_norm = True", "as usual", ...

    Of its configuration (but for size), its recipe (but for rate and batch) and its transfer.
    """
    settings = pd.DataFrame(
        [_settings(row) for row in table.to_dict("records")], index=table.index, dtype=object
    )
    names = pd.Series("", table.index)
    for key in settings.columns:
        values = settings[key].map(lambda v: f"{v:g}" if isinstance(v, float) else str(v))
        usual = values.value_counts().idxmax()
        odd = values != usual
        names = names.where(~odd, names + ", " + f"{key} = " + values)
    return names.str.removeprefix(", ").replace("", USUAL)


def _settings(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    config = json.loads(str(row["config"])) if row.get("config") else {}
    recipe = json.loads(str(row["recipe"])) if row.get("recipe") else {}
    kept = {k: v for k, v in config.items() if k not in _SIZED}
    kept |= {k: v for k, v in recipe.items() if k not in ("learning_rate", "transfer", *BATCHES)}
    return kept | {"transfer": row.get("transfer")}


def _uniform(rows: pd.DataFrame) -> float:
    """The loss of a uniform guess, from the configuration."""
    config = json.loads(str(rows["config"].iloc[0])) if "config" in rows else {}
    options = config.get("vocab") or config.get("classes")
    if not options:
        raise InputError(
            f"{source_of(rows)}: no vocab or classes in config: the loss at initialisation must be "
            "given (cap)"
        )
    return float(np.log(options))


@dataclass(frozen=True)
class Trend:
    """ln sensitivity as a straight line in ln N, by least squares over sizes and seeds."""

    slope: float
    low: float  # 90 % interval of the slope
    high: float
    height: float  # at the mean of ln N
    middle: float
    variance: float  # of one run's ln sensitivity about the line
    spread: float  # sum of squares of ln N about its mean
    points: int

    def at(self, N: float) -> tuple[float, float, float]:
        """Sensitivity at N, and a 90 % interval for that of one further seed there."""
        x = np.log(N) - self.middle
        mid = self.height + self.slope * x
        error = np.sqrt(self.variance * (1 + 1 / self.points + x**2 / self.spread))
        reach = _reach(self.points) * error
        return float(np.exp(mid)), float(np.exp(mid - reach)), float(np.exp(mid + reach))


def trend(N: Sequence[float], values: Sequence[float]) -> Trend:
    """The line through sensitivities at N, each [points]. Raises InputError for fewer than 3
    points, or for one size."""
    x, y = np.log(np.asarray(N, float)), np.log(np.asarray(values, float))
    if len(x) < 3 or np.ptp(x) == 0:
        raise InputError(f"a trend needs 3 points at 2 sizes or more; given {len(x)}")
    middle, height = float(x.mean()), float(y.mean())
    spread = float(((x - middle) ** 2).sum())
    slope = float((x - middle) @ (y - height)) / spread
    residual = y - height - slope * (x - middle)
    variance = float(residual @ residual) / (len(x) - 2)
    reach = _reach(len(x)) * float(np.sqrt(variance / spread))
    return Trend(slope, slope - reach, slope + reach, height, middle, variance, spread, len(x))


def _reach(points: int) -> float:
    from scipy.stats import t as student  # late: half a second to load

    return float(student.ppf(0.95, points - 2))
