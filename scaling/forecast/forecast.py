"""A forecast: what to train with a budget, what loss to expect, and how far that reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.forecast.asking import Run, question, resolve
from scaling.forecast.frontier import flat_regions, without_draws
from scaling.forecast.interval import Interval, interval
from scaling.forecast.limits import Cap
from scaling.forecast.predictor import Predictor
from scaling.forecast.rates import Rates, rates_of
from scaling.forecast.spending import Hardware, Spend
from scaling.forecast.words import lines_of, reach
from scaling.units import UNSTATED

Array = NDArray[np.float64]
Nearest = Callable[[float], Mapping[str, Any]]
Naive = Callable[[float], Mapping[str, float]]

_SLACK = 1.05  # a distance that is checked up to rounding is checked
_INTERVALS = ("loss", "n_opt", "d_opt", "loss_opt")


@dataclass(frozen=True)
class End:
    """What the least or the most of a range of MFU makes of a budget in money, time or energy."""

    C: float
    n_opt: float
    loss_opt: float


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
    d_kind, l_kind: what D counts and what the loss is, as the table says. rates: learning rate,
    batch and steps, by each source asked. spend: what C costs on `devices` devices. ends: what the
    ends of a range of MFU give, where the budget was not in FLOPs. binding: the caps that decided.
    given_up: the loss of N, D less that of the optimum of `whole`, the budget without
    caps; None where nothing but the budget decided.
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
    rates: tuple[Rates, ...] = ()
    spend: Spend | None = None
    devices: int | None = None
    ends: tuple[End, ...] = ()
    binding: tuple[Cap, ...] = ()
    given_up: Interval | None = None
    whole: float = 0.0

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
        """The inverse of `to_dict`."""
        derived = ("tokens_per_param", "beyond_checked")
        plain = {k: v for k, v in data.items() if k not in derived}
        given_up, spend = data["given_up"], data["spend"]
        return cls(
            **{
                **plain,
                **{k: Interval(**data[k]) for k in _INTERVALS},
                "flat": tuple(data["flat"]),
                "rates": tuple(Rates(**{**r, "told": tuple(r["told"])}) for r in data["rates"]),
                "spend": None if spend is None else Spend.from_dict(spend),
                "ends": tuple(End(**end) for end in data["ends"]),
                "binding": tuple(Cap(**cap) for cap in data["binding"]),
                "given_up": None if given_up is None else Interval(**given_up),
            }
        )

    def __str__(self) -> str:
        return "\n".join(lines_of(self))

    def _repr_html_(self) -> str:
        from scaling.forecast.card import forecast_card  # it reads a Forecast, so it comes after it

        return forecast_card(self)

    @property
    def reach(self) -> str:
        """How far beyond the runs behind it this is, in words."""
        return reach(self)


def forecast(
    predictor: Predictor,
    *,
    compute: float | None = None,
    tokens: float | None = None,
    params: float | None = None,
    caps: Sequence[Cap] = (),
    **more: Any,
) -> Forecast:
    """Forecast at a budget: of `compute` FLOPs, or with D = `tokens`, or with N = `params`.

    One of them: the compute-optimal run that has it. Two of them: the run that they fix, optimal or
    not. caps: what N and C may be at most. more: as of `forecasts`. Raises InputError for none or
    all three of them, for one that is no finite number above 0, and for one that a cap forbids.
    """
    given = {"compute": compute, "tokens": tokens, "params": params}
    asked = question(**given)
    return _forecasts(predictor, [asked], [resolve(predictor, **given, caps=caps)], **more)[0]


def forecasts(
    predictor: Predictor, compute: Sequence[float], *, caps: Sequence[Cap] = (), **more: Any
) -> list[Forecast]:
    """The frontier: a forecast for each budget, all in one pass.

    more: nearest, which maps N to the nearest buildable configuration; naive, which maps C to N_opt
    by the rules of thumb; kinds, the table's conventions, for a predictor that does not know them;
    hardware, for what a run costs; rates, the sources of learning rates and batches; compute_range,
    what the ends of a range of MFU make of the budget.
    """
    asked = [question(compute=C) for C in compute]
    if caps:
        runs = [resolve(predictor, compute=item["compute"], caps=caps) for item in asked]
    else:
        C = np.array([item["compute"] for item in asked])
        best = without_draws(predictor).optimum(C)
        points = zip(best.N.point.tolist(), best.D.point.tolist(), C.tolist(), strict=True)
        runs = [Run(n, d, c, c, (), True) for n, d, c in points]
    return _forecasts(predictor, asked, runs, **more)


def _forecasts(
    predictor: Predictor,
    asked: Sequence[dict[str, float]],
    runs: Sequence[Run],
    *,
    nearest: Nearest | None = None,
    naive: Naive | None = None,
    kinds: Mapping[str, str] | None = None,
    hardware: Hardware | None = None,
    rates: Sequence[str] = (),
    compute_range: Sequence[float] = (),
) -> list[Forecast]:
    C = np.array([run.C for run in runs])
    best = predictor.optimum(C)
    ends = [_ends(draws.point, draws.interval()) for draws in (best.N, best.D, best.loss)]
    low, high = flat_regions(predictor, C)
    if kinds is None:
        kinds = getattr(predictor, "conventions", {})
    n_column, d_kind = predictor.n_column, kinds.get("D_kind", UNSTATED)
    found = []
    for i, run in enumerate(runs):
        ratio = run.C / predictor.c_max if predictor.c_max > 0 else 0.0
        bought = bool(compute_range) and not run.binding
        # One budget at a time: its draws are then the same whatever else is asked.
        loss = predictor.loss(run.N, run.D, noise=True)
        found.append(
            Forecast(
                asked=asked[i],
                N=run.N,
                D=run.D,
                C=run.C,
                n_column=n_column,
                c_kind=predictor.cost.kind,
                loss=interval(loss.point, loss.interval()),
                n_opt=ends[0][i],
                d_opt=ends[1][i],
                loss_opt=ends[2][i],
                flat=(float(low[i]), float(high[i])),
                compute_ratio=ratio,
                least_ratio=run.C / predictor.c_min if predictor.c_min > 0 else 0.0,
                decades=float(np.log10(ratio)) if ratio > 0 else 0.0,
                kind="fit" if predictor.c_min <= run.C <= predictor.c_max else "forecast",
                nearest=dict(nearest(run.N)) if nearest is not None else None,
                checked=getattr(predictor, "checked", None),
                naive=dict(naive(run.C)) if naive is not None else None,
                d_kind=d_kind,
                l_kind=kinds.get("L_kind", UNSTATED),
                rates=rates_of(rates, N=run.N, D=run.D, C=run.C, n_column=n_column, d_kind=d_kind),
                spend=None if hardware is None else hardware.spend(run.C, bought=bought),
                devices=None if hardware is None else hardware.count,
                ends=_at_ends(predictor, compute_range) if bought else (),
                binding=run.binding,
                given_up=None if run.optimal else given_up(predictor, run),
                whole=run.whole,
            )
        )
    return found


def given_up(predictor: Predictor, run: Run) -> Interval:
    """The law's loss of a run less that of the optimum of its whole budget, draw by draw."""
    loss, best = predictor.loss(run.N, run.D), predictor.optimum(run.whole).loss
    point = float(loss.point - best.point)
    if len(loss.draws) == 0:
        return Interval(point, point, point)
    q05, q95 = np.quantile(loss.draws - best.draws, [0.05, 0.95])
    return Interval(point, float(q05), float(q95))


def _at_ends(predictor: Predictor, compute: Sequence[float]) -> tuple[End, ...]:
    best = without_draws(predictor).optimum(np.asarray(compute))
    values = (best.N.point.tolist(), best.loss.point.tolist())
    return tuple(End(*one) for one in zip(compute, *values, strict=True))


def _ends(point: Array, ends: tuple[Array, Array]) -> list[Interval]:
    return [interval(*one) for one in zip(point, zip(*ends, strict=True), strict=True)]
