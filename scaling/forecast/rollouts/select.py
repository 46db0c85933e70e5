"""Which law to believe, by its forecasts of the table's own larger runs; and their average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.result import Fit
from scaling.forecast.averaged import Averaged
from scaling.forecast.forecasters import Forecaster
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.rollout import (
    Progress,
    Rollout,
    calibrated,
    cuts_of,
    loss_errors,
    no_cut,
)
from scaling.forecast.rollouts.scores import loss_cells, size_cells
from scaling.forecast.rows import Rows, rows_of
from scaling.forecast.rules import size_at

Array = NDArray[np.float64]

_RESAMPLES = 2000  # of cuts
_SHAPES, _COMPUTES = 15, 12  # grid on which the most telling run is looked for


@dataclass(frozen=True)
class Standing:
    """One forecaster's place. Errors in % of the loss, of N_opt in log10, waste in % of compute.

    loss_error and log_density (of ln loss, predictive): means over the cuts of the rollouts.
    coverage, size_error, waste: means over the budgets of all cuts. weight: what it gets in the
    average. in_sample: mean |ln residual| on all rows. aicc: of a law fitted to all rows, with
    normal residuals of its own scale; None for what is no such law. behind: how much its rollout
    error exceeds the best one's, with the 90 % ends over resampled cuts; alike: whether these hold
    0, so that the data cannot tell the two apart.
    """

    name: str
    loss_error: float
    coverage: float
    size_error: float | None
    waste: float | None
    log_density: float
    weight: float
    in_sample: float
    aicc: float | None
    behind: tuple[float, float, float]

    @property
    def alike(self) -> bool:
        return self.behind[1] <= 0 <= self.behind[2]


@dataclass(frozen=True)
class Telling:
    """The run that would tell the two best forecasters apart.

    prediction: of each. apart: their difference in ln loss over its predictive standard deviation.
    """

    N: float
    D: float
    C: float
    names: tuple[str, str]
    prediction: tuple[float, float]
    apart: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Forecasters of one table, best rollout error first; their average; the run to do next."""

    standings: tuple[Standing, ...]
    predictors: Mapping[str, Predictor]
    average: Averaged
    telling: Telling
    rollout: Rollout


def compare(
    table: pd.DataFrame,
    forecasters: Sequence[Forecaster],
    *,
    N: str = "N",
    draws: int = 500,
    seed: int = 0,
    where: str | None = None,
    within: float | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Rank forecasters by how they predicted the table's own larger runs, and average them.

    The weights are pseudo-BMA+ (Yao, Vehtari, Simpson & Gelman 2018, Bayesian Analysis 13, 917),
    with the log predictive densities of rollouts in place of leave-one-out ones, and cuts
    resampled as whole observations, since one cut's runs share one extrapolation. within: FLOPs
    that the telling run may cost; by default what the table's largest cost. What cannot be made of
    the table, or of fewer than half of its cuts, is left out and told in the rollout's `refused`.
    Raises InputError for fewer than two forecasters, and for a table without an admissible cut.
    """
    if len(forecasters) < 2:
        raise InputError("give two laws or more to compare; one is given")
    if within is not None and not (np.isfinite(within) and within > 0):
        raise InputError(f"within = {within:g}; must be a finite number of FLOPs above 0")
    rows = rows_of(table, N, where)
    if not cuts_of(rows):
        raise InputError(f"{rows.source}: {no_cut(rows)}")
    able, refused = _able(rows, forecasters)
    made, past = calibrated(rows.frame, able, N=N, draws=draws, seed=seed, progress=progress)
    seen = past.rows.groupby("forecaster").cut.nunique()
    pairs = [
        (item.name, predictor)
        for item, predictor in zip(able, made, strict=True)
        if 2 * seen.get(item.name, 0) >= len(past.cuts)
    ]
    past = replace(past, refused=(*refused, *past.refused))
    if len(pairs) < 2:
        told = "; ".join(past.refused)
        raise InputError(f"{rows.source}: fewer than two of these laws can be compared: {told}")
    names, made = [name for name, _ in pairs], [predictor for _, predictor in pairs]
    densities, errors = _by_cut(past, names, "log_density"), _by_cut(past, names, "error")
    alpha = np.random.default_rng(seed).dirichlet(np.ones(len(densities)), _RESAMPLES)
    weights = _weights(densities.to_numpy(dtype=float), alpha)
    means = alpha @ errors.to_numpy(dtype=float)  # [resamples, forecasters]
    best = int(errors.mean().to_numpy().argmin())
    behind = means - means[:, [best]]
    losses, sizes = loss_cells(past), size_cells(past)
    standings = []
    for i, (name, predictor) in enumerate(pairs):
        own, size = losses[losses.forecaster == name], sizes[sizes.forecaster == name]
        low, high = np.quantile(behind[:, i], [0.05, 0.95])
        standings.append(
            Standing(
                name=name,
                loss_error=float(errors[name].mean()),
                coverage=float(own.loss_coverage.mean()),
                size_error=float(size.size_error.mean()) if len(size) else None,
                waste=float(size.waste.mean()) if len(size) else None,
                log_density=float(densities[name].mean()),
                weight=float(weights[i]),
                in_sample=_in_sample(predictor, rows),
                aicc=_aicc(predictor.predictor, len(rows.C)),
                behind=(
                    float((errors[name] - errors.iloc[:, best]).mean()),
                    float(low),
                    float(high),
                ),
            )
        )
    standings.sort(key=lambda item: item.behind[0])
    by_name = dict(pairs)
    first, second = (item.name for item in standings[:2])
    return Comparison(
        tuple(standings),
        by_name,
        Averaged(made, weights.tolist()),
        telling({n: by_name[n] for n in (first, second)}, rows, within or float(rows.C[-1])),
        past,
    )


def _able(rows: Rows, forecasters: Sequence[Forecaster]) -> tuple[list[Forecaster], list[str]]:
    """The forecasters that can be made of all rows, and why the others cannot."""
    able, refused = [], []
    for item in forecasters:
        try:
            item.make(rows.frame, N=rows.n_column, draws=0)
            able.append(item)
        except InputError as error:
            refused.append(f"{item.name}: {error}")
    return able, refused


def _by_cut(past: Rollout, names: Sequence[str], value: str) -> pd.DataFrame:
    """Means of a value of the scored rows by cut and forecaster; cuts at which all forecast."""
    parts = {}
    for name in names:
        errors = loss_errors(past, name)
        own = past.rows[(past.rows.forecaster == name) & past.rows.near]
        values = own.log_density.to_numpy(dtype=float)
        if value == "error":
            values = 100 * np.abs(errors.error)
        parts[name] = pd.Series(values * errors.weight).groupby(errors.cut).sum()
    found = pd.DataFrame(parts, columns=list(names)).dropna()
    if found.empty:
        told = "; ".join(past.refused) or "no cut at which all of them forecast"
        raise InputError(f"{past.source}: these laws cannot be compared: {told}")
    return found


def _weights(densities: Array, alpha: Array) -> Array:
    """Pseudo-BMA+ weights of log densities [cuts, forecasters] under resampled cuts [b, cuts]."""
    total = len(densities) * (alpha @ densities)
    each = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray((each / each.sum(axis=1, keepdims=True)).mean(axis=0))


def _in_sample(predictor: Predictor, rows: Rows) -> float:
    point = predictor.loss(rows.N, rows.D).point
    return float(100 * np.abs(np.log(point / rows.loss)).mean())


def _aicc(predictor: Predictor, rows: int) -> float | None:
    """Akaike's criterion, corrected for few rows, of normal residuals of ln loss; criteria of fits
    to other rows would not compare."""
    if not isinstance(predictor, Fit) or predictor.n_rows != rows:
        return None
    residuals = np.log(predictor.points["loss"] / predictor.predict(**predictor.points))
    n, k = len(residuals), len(predictor.params) - len(predictor.fixed) + 1
    if n <= k + 1:
        return None
    return float(n * np.log((residuals**2).mean()) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def telling(pair: Mapping[str, Calibrated], rows: Rows, within: float) -> Telling:
    """The (N, D) of at most `within` FLOPs at which two forecasters differ most, relative to the
    spread of what they predict.

    Shapes D / N are the table's own; sizes too, up to as many times larger as `within` is more
    compute than it has.
    """
    (a, first), (b, second) = pair.items()
    low, high = np.quantile(rows.D / rows.N, [0.02, 0.98])
    C = np.geomspace(min(float(rows.C[0]), within), within, _COMPUTES)
    N0 = size_at(rows.cost, C[:, None], np.geomspace(low, high, _SHAPES))
    D0 = rows.cost.tokens(C[:, None], N0)
    one, two = (p.loss(N0, D0, noise=True) for p in (first, second))
    spread = np.hypot(*(np.log(np.maximum(v.draws, 1e-12)).std(axis=0) for v in (one, two)))
    apart = np.abs(np.log(one.point / two.point)) / np.maximum(spread, 1e-9)
    largest = rows.N.max() * max(1.0, within / float(rows.C[-1]))
    apart = np.where((rows.N.min() <= N0) & (largest >= N0), apart, -1.0)
    i, j = np.unravel_index(int(apart.argmax()), apart.shape)
    return Telling(
        N=float(N0[i, j]),
        D=float(D0[i, j]),
        C=float(C[i]),
        names=(a, b),
        prediction=(float(one.point[i, j]), float(two.point[i, j])),
        apart=float(apart[i, j]),
    )
