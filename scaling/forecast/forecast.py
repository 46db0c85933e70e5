"""A forecast: what to train with a budget, what loss to expect, and how far that reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scaling.errors import InputError
from scaling.forecast.frontier import COMPUTE, compute_for_params, compute_for_tokens, flat_region
from scaling.forecast.predictor import Predictor
from scaling.units import UNSTATED, loss_unit, measure, unit_of_d

Nearest = Callable[[float], Mapping[str, Any]]
Naive = Callable[[float], Mapping[str, float]]

_SLACK = 1.05  # a distance that is checked up to rounding is checked


@dataclass(frozen=True)
class Interval:
    """A point estimate and the central 90 % of the draws around it: the point where there are
    none."""

    point: float
    q05: float
    q95: float

    @property
    def open(self) -> bool:
        return self.q05 < self.q95

    def __str__(self) -> str:
        ends = f" [{self.q05:.4g}, {self.q95:.4g}]" if self.open else ""
        return f"{self.point:.4g}{ends}"


@dataclass(frozen=True)
class Forecast:
    """What to train, and how good it will be.

    asked: the question. N, D, C: the answer, in the count `n_column` and the FLOPs convention
    `c_kind`. n_opt, d_opt, loss_opt: the compute-optimal choice at C, with the draws of the law.
    loss: the loss to expect of one run of N, D, residual noise included. flat: all N within .5 % of
    the optimal loss at C. compute_ratio: C over the largest run fitted, `decades` its log10;
    least_ratio: C over the least run fitted; all 0 where there is none. kind: "fit" inside the
    compute of the runs fitted, else "forecast". nearest: the nearest buildable configuration, where
    a family was given. checked: the largest ratio of compute at which rollouts of the table could
    check forecasts; None where none were made. naive: N_opt at C by the rules of thumb, by name.
    d_kind, l_kind: what D counts and what the loss is, as the table says.
    """

    asked: dict[str, float]
    N: float
    D: float
    C: float
    n_column: str
    c_kind: str
    loss: Interval
    n_opt: Interval
    d_opt: Interval
    loss_opt: Interval
    flat: tuple[float, float]
    compute_ratio: float
    least_ratio: float
    decades: float
    kind: str
    nearest: dict[str, Any] | None = None
    checked: float | None = None
    naive: dict[str, float] | None = None
    d_kind: str = UNSTATED
    l_kind: str = UNSTATED

    @property
    def beyond_checked(self) -> bool:
        """Whether this reaches further than the rollouts could check."""
        return self.checked is not None and self.compute_ratio > max(self.checked, 1.0) * _SLACK

    @property
    def tokens_per_param(self) -> float:
        return self.D / self.N

    def to_dict(self) -> dict[str, Any]:
        more = {"tokens_per_param": self.tokens_per_param, "beyond_checked": self.beyond_checked}
        return {**asdict(self), "flat": list(self.flat), **more}

    def budget(self) -> dict[str, Any]:
        """The optimum at C in one flat row: C, N_opt, D_opt and loss_opt with their 90 % ends, and
        what naive rules say of N_opt."""
        row: dict[str, Any] = {"C": self.C, "beyond_checked": self.beyond_checked}
        for name in ("n_opt", "d_opt", "loss_opt"):
            value: Interval = getattr(self, name)
            key = name if name == "loss_opt" else f"{name[0].upper()}_opt"
            row |= {key: value.point, f"{key}_q05": value.q05, f"{key}_q95": value.q95}
        return row | ({"naive": self.naive} if self.naive is not None else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Forecast:
        intervals = {k: Interval(**data[k]) for k in ("loss", "n_opt", "d_opt", "loss_opt")}
        derived = ("tokens_per_param", "beyond_checked")
        plain = {k: v for k, v in data.items() if k not in derived}
        return cls(**{**plain, **intervals, "flat": tuple(data["flat"])})

    def __str__(self) -> str:
        asked = ", ".join(f"{name} {value:.4g}" for name, value in self.asked.items())
        low, high = self.flat
        units, unit = unit_of_d(self.d_kind), loss_unit(self.l_kind)
        head = "loss" if unit else measure(self.l_kind).title  # a share says what of
        of_one_run = ", 90 % interval of one run" if self.loss.open else ""
        lines = [self._unchecked] if self.beyond_checked else []
        lines += [
            f"{self.kind} for {asked}: C = {self.C:.4g} FLOPs ({self.c_kind})",
            f"  train    N = {self.N:.4g} ({self.n_column}) on D = {self.D:.4g} {units}, "
            f"{self.tokens_per_param:.3g} {units} per parameter",
            f"  {head:<8} {self.loss}{unit and f' {unit}'}{of_one_run}",
            f"  optimum  N_opt = {self.n_opt}, D_opt = {self.d_opt}, loss {self.loss_opt}",
            f"  flat     N from {low:.4g} to {high:.4g} is within .5 % of the optimal loss",
            f"  reach    {self.reach}",
        ]
        if self.naive:
            rules = ", ".join(f"{name} {value:.4g}" for name, value in self.naive.items())
            lines.insert(-2, f"  naive    N_opt by rule of thumb: {rules}")
        if self.nearest is not None:
            lines.append("  nearest  " + ", ".join(f"{k} {v}" for k, v in self.nearest.items()))
        return "\n".join(lines)

    @property
    def _unchecked(self) -> str:
        far = f"{self.compute_ratio:.3g} x the largest run"
        if self.checked is None or self.checked <= 1:
            return f"unchecked: {far}, and this table allows no rollout to check a forecast"
        return f"unchecked: {far}, and rollouts in this table reach {self.checked:.3g} x only"

    @property
    def reach(self) -> str:
        """How far beyond the runs behind it this is, in words."""
        if self.compute_ratio == 0:
            return "no runs behind this law are known, so neither is the distance"
        if self.least_ratio < 1:
            return (
                f"{1 / self.least_ratio:.3g} x smaller than the least run fitted, "
                f"{-np.log10(self.least_ratio):.2f} decades below"
            )
        if self.compute_ratio <= 1:
            return f"inside the runs fitted ({self.compute_ratio:.3g} x the largest run's compute)"
        return (
            f"{self.compute_ratio:.3g} x the largest run fitted, {self.decades:.2f} decades beyond"
        )


def forecast(
    predictor: Predictor,
    *,
    compute: float | None = None,
    tokens: float | None = None,
    params: float | None = None,
    nearest: Nearest | None = None,
    naive: Naive | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Forecast:
    """Forecast at a budget: of `compute` FLOPs, or with D = `tokens`, or with N = `params`.

    One of them: the compute-optimal run that has it. Two of them: the run that they fix, optimal or
    not. nearest: maps N to the nearest buildable configuration. naive: maps C to N_opt by the rules
    of thumb. kinds: the table's conventions, for a predictor that does not know them. Raises
    InputError for none or all three of them, and for one that is no finite number above 0.
    """
    given = {"compute": compute, "tokens": tokens, "params": params}
    asked = question(**given)
    N, D, C = _resolve(predictor, **given)
    best = predictor.optimum(C)
    run = predictor.loss(N, D, noise=True)
    if kinds is None:
        kinds = getattr(predictor, "conventions", {})
    ratio = C / predictor.c_max if predictor.c_max > 0 else 0.0
    return Forecast(
        asked=asked,
        N=N,
        D=D,
        C=C,
        n_column=predictor.n_column,
        c_kind=predictor.cost.kind,
        loss=_interval(run.point, run.interval()),
        n_opt=_interval(best.N.point, best.N.interval()),
        d_opt=_interval(best.D.point, best.D.interval()),
        loss_opt=_interval(best.loss.point, best.loss.interval()),
        flat=flat_region(predictor, C),
        compute_ratio=ratio,
        least_ratio=C / predictor.c_min if predictor.c_min > 0 else 0.0,
        decades=float(np.log10(ratio)) if ratio > 0 else 0.0,
        kind="fit" if predictor.c_min <= C <= predictor.c_max else "forecast",
        nearest=dict(nearest(N)) if nearest is not None else None,
        checked=getattr(predictor, "checked", None),
        naive=dict(naive(C)) if naive is not None else None,
        d_kind=kinds.get("D_kind", UNSTATED),
        l_kind=kinds.get("L_kind", UNSTATED),
    )


def question(
    *, compute: float | None = None, tokens: float | None = None, params: float | None = None
) -> dict[str, float]:
    """The one or two numbers that a forecast is asked for. Raises InputError as `forecast` does."""
    given = {"compute": compute, "tokens": tokens, "params": params}
    asked = {name: float(value) for name, value in given.items() if value is not None}
    for name, value in asked.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}: must be a finite number above 0")
    if not COMPUTE[0] <= asked.get("compute", COMPUTE[0]) <= COMPUTE[1]:
        raise InputError(f"compute = {compute:g} FLOPs; valid is {COMPUTE[0]:g} to {COMPUTE[1]:g}")
    if not 1 <= len(asked) <= 2:
        raise InputError(
            "give compute, tokens or params, or two of them; "
            + ("none is given" if not asked else "the third follows from two")
        )
    return asked


def budget(flops_per_second: float, hours: float) -> float:
    """FLOPs that so many sustained FLOP/s give in so many hours."""
    for name, value in (("flops_per_second", flops_per_second), ("hours", hours)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}: must be a finite number above 0")
    return flops_per_second * hours * 3600.0


def _resolve(
    predictor: Predictor, compute: float | None, tokens: float | None, params: float | None
) -> tuple[float, float, float]:
    """The N, D and C that the one or two numbers given stand for."""
    cost = predictor.cost
    if params is not None and tokens is not None:
        return params, tokens, float(cost.flops_per_token(params)) * tokens
    if compute is not None and params is not None:
        return params, float(cost.tokens(compute, params)), compute
    if compute is not None and tokens is not None:
        return float(cost.params(compute / tokens)), tokens, compute
    if params is not None:
        compute = compute_for_params(predictor, params)
    elif tokens is not None:
        compute = compute_for_tokens(predictor, tokens)
    assert compute is not None  # for the type checker: the caller saw to it
    best = predictor.optimum(compute)
    N = params if params is not None else float(best.N.point)
    D = tokens if tokens is not None else float(best.D.point)
    return N, D, compute


def _interval(point: Any, ends: tuple[Any, Any]) -> Interval:
    return Interval(float(point), float(ends[0]), float(ends[1]))
