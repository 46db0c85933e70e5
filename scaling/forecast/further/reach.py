"""How far outside the ranges behind a law its variables are used, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scaling.fit.result import Fit
from scaling.forecast.published import PublishedLaw

_ROUNDING = 1.001  # what is outside by less was rounded
Ranges = Mapping[str, tuple[float, float]]


def ranges_of(predictor: Any) -> tuple[Ranges, str]:
    """The ranges of the variables behind a predictor, as far as they are known, and whose they are
    in words: of a fit its rows', with their tokens per parameter; of published parameters those
    that the paper's data had. A predictor that wraps another has its ranges."""
    if isinstance(predictor, Fit):
        points = dict(predictor.points)
        if {"N", "D"} <= set(points):
            points["tokens per parameter"] = points["D"] / points["N"]
        return {k: (float(v.min()), float(v.max())) for k, v in points.items()}, "fitted"
    if isinstance(predictor, PublishedLaw):
        return predictor.published.ranges, f"behind {predictor.published.name}"
    inner = getattr(predictor, "base", None) or getattr(predictor, "predictor", None)
    return ({}, "") if inner is None else ranges_of(inner)


def outside(ranges: Ranges, asked: Mapping[str, float | None], behind: str) -> list[str]:
    """What of `asked` lies outside its range, and how far; behind: whose ranges these are."""
    told = []
    for name, value in asked.items():
        if value is None or name not in ranges:
            continue
        low, high = ranges[name]
        if value > _ROUNDING * high:
            by = f"{value / high:.3g} times" if high > 0 else "above"
            told.append(f"{name} = {value:.4g} is {by} the largest {behind}")
        if value * _ROUNDING < low:
            by = f"{low / value:.3g} times below" if value > 0 else "below"
            told.append(f"{name} = {value:.4g} is {by} the least {behind}")
    return told


def run_outside(predictor: Any, N: float, D: float) -> list[str]:
    """The same of a run: its N, its D and its tokens per parameter."""
    ranges, behind = ranges_of(predictor)
    return outside(ranges, {"N": N, "D": D, "tokens per parameter": D / N}, behind)
