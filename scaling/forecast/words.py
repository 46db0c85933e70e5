"""A forecast as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaling.forecast.spending import in_words
from scaling.units import loss_unit, measure, unit_of_d

if TYPE_CHECKING:
    from scaling.forecast.forecast import Forecast

FAR = 2.0  # decades beyond the largest run


def lines_of(found: Forecast) -> list[str]:
    """The answer, what it costs, what it rests on; first what must be read before."""
    asked = ", ".join(f"{name} {value:.4g}" for name, value in found.asked.items())
    low, high = found.flat
    units, unit = unit_of_d(found.d_kind), loss_unit(found.l_kind)
    head = "loss" if unit else measure(found.l_kind).title  # a share says what of
    of_one_run = ", 90 % interval of one run" if found.loss.open else ""
    lines = [_unchecked(found)] if found.beyond_checked else _far(found)
    lines += [
        f"{found.kind} for {asked}: C = {found.C:.4g} FLOPs ({found.c_kind})",
        f"  train    N = {found.N:.4g} ({found.n_column}) on D = {found.D:.4g} {units}, "
        f"{found.tokens_per_param:.3g} {units} per parameter",
    ]
    lines += [f"  recipe   {item}" for item in found.rates]
    if found.spend is not None and found.devices is not None:
        lines.append(f"  cost     {in_words(found.spend, found.devices)}")
    lines += [
        f"  MFU      {name} gives C = {end.C:.4g}: N_opt = {end.n_opt:.4g}, loss {end.loss_opt:.4g}"
        for name, end in zip(("its least", "its most"), found.ends, strict=False)
    ]
    lines.append(f"  {head:<8} {found.loss}{unit and f' {unit}'}{of_one_run}")
    lines += [f"  limit    {cap}" for cap in found.binding]
    lines += [_given_up(found)] if found.given_up is not None else []
    lines += [
        f"  optimum  N_opt = {found.n_opt}, D_opt = {found.d_opt}, loss {found.loss_opt}",
        f"  flat     N from {low:.4g} to {high:.4g} is within .5 % of the optimal loss",
    ]
    if found.naive:
        rules = ", ".join(f"{name} {value:.4g}" for name, value in found.naive.items())
        lines.append(f"  naive    N_opt by rule of thumb: {rules}")
    lines.append(f"  reach    {reach(found)}")
    if found.nearest is not None:
        lines.append("  nearest  " + ", ".join(f"{k} {v}" for k, v in found.nearest.items()))
    return lines


def reach(found: Forecast) -> str:
    """How far beyond the runs behind it a forecast is."""
    if found.compute_ratio == 0:
        return "no runs behind this law are known, so neither is the distance"
    if found.least_ratio < 1:
        return (
            f"{1 / found.least_ratio:.3g} x smaller than the least run fitted, "
            f"{-np.log10(found.least_ratio):.2f} decades below"
        )
    if found.compute_ratio <= 1:
        return f"inside the runs fitted ({found.compute_ratio:.3g} x the largest run's compute)"
    return f"{found.compute_ratio:.3g} x the largest run fitted, {found.decades:.2f} decades beyond"


def _far(found: Forecast) -> list[str]:
    """The distance first, where it is large and no rollout was made that could check it."""
    if found.checked is not None or found.decades <= FAR:
        return []
    return [f"far: {reach(found)}; nothing here has checked a forecast as far"]


def _given_up(found: Forecast) -> str:
    assert found.given_up is not None  # for the type checker: the caller looked
    share = 100 * found.given_up.point / (found.loss.point - found.given_up.point)
    return (
        f"  given up {found.given_up} of loss ({share:.3g} %) against the optimum of "
        f"C = {found.whole:.4g}"
    )


def _unchecked(found: Forecast) -> str:
    far = f"{found.compute_ratio:.3g} x the largest run"
    if found.checked is None or found.checked <= 1:
        return f"unchecked: {far}, and this table allows no rollout to check a forecast"
    return f"unchecked: {far}, and rollouts in this table reach {found.checked:.3g} x only"
