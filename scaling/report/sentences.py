"""What each figure shows in this very study, in a sentence with numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scaling.errors import InputError
from scaling.fit.prediction import Draws
from scaling.forecast import proof
from scaling.forecast.frontier import without_draws
from scaling.plot.cost import WITHIN, timed
from scaling.plot.words import quantity
from scaling.report.numbers import flops
from scaling.report.pooled import Pooled
from scaling.report.study import Study
from scaling.units import loss_unit, unit_of_d

_ONE_BUDGET = 1.05  # a factor of compute within which no size is seen to grow
_TIMES = 10.0  # more compute, by which the frontier's fall is told


def sentences(study: Study) -> dict[str, str]:
    """By the figure's name; of several families `residuals-NAME` and so on. A sentence that cannot
    be said is left out."""
    told: dict[str, Callable[[], str]] = {}
    if study.curves and not study.families:
        told["loss_curves"] = lambda: _loss_curves(study)
    if any(verdict.truth is not None for verdict in study.verdicts):
        told["proof"] = lambda: _proof(study)
    if study.records:
        told["cost"] = lambda: _cost(study.records)
    fit = study.fit
    if fit is not None and set(fit.law.variables) == {"N", "D"} and fit.law.response == "loss":
        told |= {
            name: lambda tell=tell: tell(fit, study)  # type: ignore[misc]
            for name, tell in _OF_LAW.items()
        }
    for family, own in study.fits.items():
        if study.families:
            told[f"residuals-{family}"] = lambda own=own: _residuals(own, study)  # type: ignore[misc]
    found = {}
    for name, tell in told.items():
        try:
            found[name] = tell()
        except InputError:  # the figure says why
            continue
    return {name: text for name, text in found.items() if text}


def _loss_curves(study: Study) -> str:
    table = study.table
    assert table is not None  # the caller looked
    known = table[np.isfinite(table["loss"])]
    if known.empty:
        return "No run has a loss."
    worst, best = known.loc[known["loss"].idxmax()], known.loc[known["loss"].idxmin()]
    units, unit = unit_of_d(study.kinds["D_kind"]), loss_unit(study.kinds["L_kind"])
    ends = [
        f"{row['loss']:.4g} (N = {quantity(row['N'])}, {quantity(row['D'])} {units})"
        for row in (worst, best)
    ]
    return (
        f"The loss falls from {ends[0]} to {ends[1]}{f' {unit}' if unit else ''} over "
        f"{len(known):,} runs."
    )


def _isoflop(fit: Pooled, study: Study) -> str:
    C = np.array([fit.c_min, fit.c_max])
    best = fit.optimum(C)
    low, high = best.N.interval()
    sizes = [
        f"{quantity(best.N.point[i])} ({quantity(low[i])} to {quantity(high[i])})" for i in (0, 1)
    ]
    if C[1] <= C[0] * _ONE_BUDGET:
        return f"At {flops(C[1])} FLOPs, which every run took, the best size is {sizes[1]}."
    slope = Draws(_slope(best.N.point, C), _slope(best.N.draws, C))
    return (
        f"The best size grows from {sizes[0]} at {flops(C[0])} FLOPs to {sizes[1]} at "
        f"{flops(C[1])}: as C to the power {_with_ends(slope, '.2f')}."
    )


def _slices(fit: Pooled, study: Study) -> str:
    N, D = float(fit.points["N"].max()), float(fit.points["D"].max())
    here, wider, longer = fit.loss(N, D), fit.loss(2 * N, D), fit.loss(N, 2 * D)
    gains = [_percent(here, other) for other in (wider, longer)]
    units = unit_of_d(study.kinds["D_kind"])
    return (
        f"From the largest size and the most {units} (N = {quantity(N)}, D = {quantity(D)}) twice "
        f"the size lowers the loss by {gains[0]}, twice the {units} by {gains[1]}."
    )


def _residuals(fit: Pooled, study: Study) -> str:
    points = fit.fits[0].points
    percent = 100 * (points["loss"] / without_draws(fit).loss(points["N"], points["D"]).point - 1)
    low, high = np.quantile(percent, [0.05, 0.95])
    worst = int(np.abs(percent).argmax())
    return (
        f"The law misses runs by {np.sqrt(np.mean(percent**2)):.2g} % (rms), the middle 90 % of "
        f"them between {low:+.2g} and {high:+.2g} %; the largest miss is {percent[worst]:+.2g} %, "
        f"at N = {quantity(points['N'][worst])}, D = {quantity(points['D'][worst])}."
    )


def _frontier(fit: Pooled, study: Study) -> str:
    C = np.array([fit.c_max, _TIMES * fit.c_max])
    best = fit.optimum(C).loss
    low, high = best.interval()
    unit = loss_unit(study.kinds["L_kind"])
    falls = _percent(Draws(best.point[0], best.draws[:, 0]), Draws(best.point[1], best.draws[:, 1]))
    return (
        f"At the compute of the largest run, {flops(C[0])} FLOPs, the best split reaches "
        f"{best.point[0]:.4g}{f' {unit}' if unit else ''} ({low[0]:.4g} to {high[0]:.4g}); "
        f"{_TIMES:g} times as much compute is forecast to lower that by {falls}."
    )


def _envelope(fit: Pooled, study: Study) -> str:
    points = fit.fits[0].points
    C = fit.cost.flops_per_token(points["N"]) * points["D"]
    best = int(points["loss"].argmin())
    law = float(fit.optimum(float(C[best])).loss.point)
    above = 100 * (points["loss"][best] / law - 1)
    return (
        f"The best run ({points['loss'][best]:.4g}, N = {quantity(points['N'][best])}) lies "
        f"{abs(above):.2g} % {'above' if above >= 0 else 'below'} the law's frontier at its "
        f"{flops(float(C[best]))} FLOPs."
    )


def _proof(study: Study) -> str:
    known = [verdict for verdict in study.verdicts if verdict.truth is not None]
    own = proof.scores(study.verdicts)[""]
    far = max(verdict.compute_ratio for verdict in known)
    return (
        f"{own.inside} of {len(known)} came out inside the 90 % interval, up to {far:.3g} times "
        f"the largest pilot's compute; the forecasts were off by {own.error_pct:.2f} % on average."
    )


def _cost(records: Sequence[Mapping[str, Any]]) -> str:
    predicted, measured = timed(records)
    if not len(measured):
        return ""
    within = int((np.abs(measured / predicted - 1) <= WITHIN).sum())
    return (
        f"{within:,} of {len(measured):,} cells took within {WITHIN:.0%} of the predicted time; "
        f"all together {100 * (measured.sum() / predicted.sum() - 1):+.0f} %."
    )


_OF_LAW: Mapping[str, Callable[[Pooled, Study], str]] = {
    "isoflop": _isoflop,
    "slices": _slices,
    "residuals": _residuals,
    "frontier": _frontier,
    "envelope": _envelope,
}


def _slope(N: Any, C: Any) -> Any:
    return np.log(N[..., 1] / N[..., 0]) / np.log(C[1] / C[0])


def _percent(before: Draws, after: Draws) -> str:
    """By how much one loss is below another, with its interval."""
    point = 100 * (1 - after.point / before.point)
    return f"{_with_ends(Draws(point, 100 * (1 - after.draws / before.draws)), '.2g')} %"


def _with_ends(value: Draws, form: str) -> str:
    if not len(value.draws):
        return format(float(value.point), form)
    low, high = value.interval()
    return f"{float(value.point):{form}} ({float(low):{form}} to {float(high):{form}})"
