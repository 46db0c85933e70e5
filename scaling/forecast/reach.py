"""How far outside the ranges behind a law its variables are used, in words."""

from __future__ import annotations

from collections.abc import Mapping

_ROUNDING = 1.001  # what is outside by less was rounded
Ranges = Mapping[str, tuple[float, float]]


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
