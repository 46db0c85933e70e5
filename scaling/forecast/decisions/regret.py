"""What a choice of N at a budget is expected to waste, over all that is not known.

A draw that is true makes its own N_opt the best; any other choice has a higher loss, which that
N_opt would have reached with less compute. The compute that could have been saved is the choice's
regret in this draw. Its mean is what decision theory calls the expected opportunity loss; the least
of all choices is the expected value of perfect information, here of knowing N_opt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.amounts import figure
from scaling.errors import InputError
from scaling.forecast.decisions.at_budget import AtBudget
from scaling.forecast.decisions.flat import Flat, flat_over_draws
from scaling.forecast.predictor import Predictor

Array = NDArray[np.float64]

OPTIMUM = "N_opt"  # the name of the predictor's own choice
_COARSE, _FINE = 17, 9  # sizes at which expected regret is computed, twice
_REACH = (0.005, 0.995)  # of the draws' N_opt: between these the best choice is looked for


@dataclass(frozen=True)
class Regret:
    """What training N on D, which spend C, is expected to waste.

    share: of C, the mean over draws; q05, q95: the central 90 % of the draws. loss: how far above
    the best its loss is in the middle draw, as a share of the best.
    """

    N: float
    D: float
    C: float
    share: float
    q05: float
    q95: float
    loss: float

    @property
    def flops(self) -> float:
        return self.share * self.C

    def dollars(self, per_flop: float) -> float:
        return self.flops * per_flop


@dataclass(frozen=True)
class Decision:
    """The choices of N at C with their regrets, and the N that is expected to waste least.

    choices: by name; the predictor's own N_opt first. best: of all N. flat: the N that are as good
    as the best. draws: over how many. dollars_per_flop: the price, None where none was given.
    """

    C: float
    choices: Mapping[str, Regret]
    best: Regret
    flat: Flat
    draws: int
    dollars_per_flop: float | None = None

    @property
    def saved(self) -> float:
        """FLOPs that the best choice is expected to waste less than the predictor's own N_opt."""
        return max(self.choices[OPTIMUM].flops - self.best.flops, 0.0)

    def lines(self) -> list[str]:
        """The decision in words: the safe sizes, regrets, the best choice."""
        wastes = [f"{name} wastes {self._cost(item)}" for name, item in self.choices.items()]
        if not self.draws:
            rules = "; ".join(wastes[1:])
            return [f"regret   by the point, without draws: {rules}"] if rules else []
        return [
            f"safe     {self.flat}",
            f"regret   {'; '.join(wastes)}",
            f"choose   N = {self.best.N:.4g} on D = {self.best.D:.4g} wastes least: "
            f"{self._cost(self.best)}, which is what knowing N_opt would be worth",
        ]

    def _cost(self, item: Regret) -> str:
        """A regret as people read it: in per cent of C, FLOPs and dollars."""
        ends = f" [{100 * item.q05:.2g}, {100 * item.q95:.2g}]" if item.q05 < item.q95 else ""
        price = self.dollars_per_flop
        money = "" if price is None else f", ${figure(item.dollars(price))}"
        return f"{100 * item.share:.2g}{ends} % of C ({item.flops:.3g} FLOPs{money})"

    def to_dict(self) -> dict[str, Any]:
        return {
            "C": self.C,
            "draws": self.draws,
            "choices": {name: self._plain(item) for name, item in self.choices.items()},
            "best": self._plain(self.best),
            "saved_flops": self.saved,
            "flat": self.flat.to_dict(),
            "dollars_per_flop": self.dollars_per_flop,
        }

    def _plain(self, item: Regret) -> dict[str, Any]:
        price = self.dollars_per_flop
        money = {} if price is None else {"dollars": item.dollars(price)}
        return {**asdict(item), "flops": item.flops, **money}


def decide(
    predictor: Predictor,
    C: float,
    *,
    choices: Mapping[str, float] | None = None,
    dollars_per_flop: float | None = None,
) -> Decision:
    """The expected regret of N_opt and of other choices of N at C, and the choice that has least.

    choices: further N by name, such as `rules.by_rules` gives. The compute that a draw could save
    is read off its own frontier at the loss that the choice gives (`Exchange`). A predictor without
    draws knows no doubt: its regrets are those of its point. Raises InputError for a C, an N or a
    price that is no finite number above 0.
    """
    asked = {"C": C, **(choices or {})}
    if dollars_per_flop is not None:
        asked["dollars_per_flop"] = dollars_per_flop
    for name, value in asked.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}; must be a finite number above 0")
    at = AtBudget(predictor, C)
    if not len(at.n_opt):
        raise InputError(f"no draw of this predictor has a finite optimum at C = {C:g}")
    own = float(predictor.optimum(C).N.point)
    names = {OPTIMUM: own, **(choices or {})}
    tokens = predictor.cost.tokens(C, np.array([*names.values()]))
    told = _regrets(at, np.array([*names.values()]), tokens)
    best = told[0]
    if len(at.n_opt) > 1:
        N = np.array([_least(at, own)])
        (best,) = _regrets(at, N, predictor.cost.tokens(C, N))
    return Decision(
        C=C,
        choices=dict(zip(names, told, strict=True)),
        best=best,
        flat=flat_over_draws(predictor, C, at=at),
        draws=len(at.n_opt) if len(at.n_opt) > 1 else 0,
        dollars_per_flop=dollars_per_flop,
    )


def _regrets(at: AtBudget, N: Array, D: Array) -> list[Regret]:
    wasted = at.wasted(N)
    low, high = np.quantile(wasted, [0.05, 0.95], axis=0)
    above = np.median(at.above(N), axis=0)
    return [
        Regret(*map(float, (N[i], D[i], at.C, wasted[:, i].mean(), low[i], high[i], above[i])))
        for i in range(len(N))
    ]


def _least(at: AtBudget, own: float) -> float:
    """The N of least expected regret: on a grid, then on a finer one around its lowest place."""
    low, high = np.quantile(at.n_opt, _REACH)
    low, high = min(low, np.log(own)), max(high, np.log(own))
    for count in (_COARSE, _FINE):
        n = np.linspace(low, high, count)
        i = int(at.wasted(np.exp(n)).mean(axis=0).argmin())
        low, high = n[max(i - 1, 0)], n[min(i + 1, count - 1)]
    return float(np.exp(n[i]))
