"""What else may be asked of a forecast: further variables held, a life of serving, a ratio.

`hold` makes a source of N and D out of one of a law that needs more; `Further` answers, of each
forecast, what the plain optimum does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scaling.errors import InputError
from scaling.fit.result import Fit
from scaling.forecast.forecast import Forecast
from scaling.forecast.further.best import Chosen, choose
from scaling.forecast.further.given import BITS, Given, further, named
from scaling.forecast.further.inference import Lifetime, lifetime
from scaling.forecast.further.overtrained import Overtrained, overtrained
from scaling.forecast.further.quantized import damage
from scaling.forecast.further.serving import Serving
from scaling.forecast.grounds import Grounds
from scaling.forecast.predictor import Predictor
from scaling.forecast.published import PublishedLaw

_FEW = 6  # budgets that are told of one by one

Best = Mapping[str, tuple[float, float] | None]  # variables to choose, each with its range


def hold(
    sources: Sequence[Grounds], held: Mapping[str, float], best: Best, budgets: Sequence[float]
) -> list[Grounds]:
    """The same grounds with further variables held, one of them at its best value, in each law that
    has them.

    Raises InputError for a variable that none has, a law that needs one which is not given, two to
    choose, and a choice without the one budget that it is for.
    """
    able = [_names(item.predictor) for item in sources]
    for name in (*held, *best):
        if not any(name in names for names in able):
            base = sources[0].predictor
            if isinstance(base, Fit | PublishedLaw):
                named(base.law, {name: 1.0})  # raises, and says which laws have it
            raise InputError(
                f"{name}: only a law of more variables than N and D has what can be held, and this "
                "forecast is by none; name a law (--law muennighoff_tied, moe_sparsity, ...)"
            )
    if best and (len(best) > 1 or len(budgets) != 1):
        raise InputError(
            f"{', '.join(f'{name}=best' for name in best)} at {len(budgets)} budgets: one variable "
            "is chosen at one budget in FLOPs"
        )
    found = []
    for item, names in zip(sources, able, strict=True):
        own = {name: value for name, value in held.items() if name in names}
        chosen = {name: within for name, within in best.items() if name in names}
        found.append(_hold(item, own, chosen, budgets) if names else item)
    return found


def _hold(
    grounds: Grounds, held: Mapping[str, float], best: Best, budgets: Sequence[float]
) -> Grounds:
    base = grounds.predictor
    assert isinstance(base, Fit | PublishedLaw)  # for the type checker: it has names to hold
    if not best:
        given = Given(base, held)
        return replace(grounds, predictor=given, facts={**grounds.facts, "held": dict(given.held)})
    ((name, within),) = best.items()
    found = choose(base, name, budgets[0], held=held, within=within)
    return replace(
        grounds,
        predictor=found.given,
        lines=(str(found), *grounds.lines),
        facts={**grounds.facts, "held": dict(found.given.held), "best": _told(found)},
    )


def _names(predictor: Predictor) -> set[str]:
    """What can be held of a law of N, D and more; P stands for all bits of training."""
    if not isinstance(predictor, Fit | PublishedLaw):
        return set()
    law = predictor.law
    names = set(further(law)) if {"N", "D"} <= set(law.variables) else set()
    return names | ({"P"} if set(BITS) <= names else set())


@dataclass(frozen=True)
class Further:
    """Questions beyond the optimum of a budget. serving: tokens over the model's life; ratio:
    tokens per parameter."""

    serving: Serving | None = None
    ratio: float | None = None

    def answers(self, predictor: Predictor, C: float) -> list[Lifetime | Overtrained]:
        found: list[Lifetime | Overtrained] = []
        if self.serving is not None:
            found.append(lifetime(predictor, self.serving, compute=C))
        if self.ratio is not None:
            found.append(overtrained(predictor, self.ratio, C))
        return found

    def lines(self, predictor: Predictor, found: Sequence[Forecast]) -> list[str]:
        """What is to be said of these forecasts; of many, as along a frontier, of the last one.

        Raises InputError where many are asked about serving or a ratio, which are searches each.
        """
        self._must_be_few(found)
        told: dict[str, None] = {}
        for item in found if len(found) <= _FEW else found[-1:]:
            held = _held(predictor, item) if isinstance(predictor, Given) else []
            at = f"at C = {item.C:.4g}: " if len(found) > 1 else ""
            told |= dict.fromkeys(at + line for line in held)
            told |= dict.fromkeys(map(str, self.answers(predictor, item.C)))
        return list(told)

    def _must_be_few(self, found: Sequence[Forecast]) -> None:
        if len(found) > _FEW and (self.serving is not None or self.ratio is not None):
            raise InputError(
                f"--served and --tokens-per-param at {len(found)} budgets: ask for {_FEW} at most"
            )

    def facts(self, predictor: Predictor, found: Sequence[Forecast]) -> dict[str, Any]:
        """What `lines` says, by forecast, as JSON has it."""
        self._must_be_few(found)
        facts: dict[str, Any] = {}
        if isinstance(predictor, Given):
            facts["notes"] = [_held(predictor, item) for item in found]
        answers = [self.answers(predictor, item.C) for item in found]
        for name, kind in (("lifetime", Lifetime), ("overtrained", Overtrained)):
            of_kind = [x.to_dict() for part in answers for x in part if isinstance(x, kind)]
            facts |= {name: of_kind} if of_kind else {}
        return facts


def _held(given: Given, found: Forecast) -> list[str]:
    """What must be said of a run at the values held."""
    told = given.lines(found.N, found.D)
    if "D_unique" in given.held and found.d_opt.open:
        told.append(f"epochs at the optimum: {found.d_opt.scaled(1 / given.held['D_unique'])}")
    if "P_post" in given.held:
        told.append(str(damage(given, found.N, found.D)))
    return told


def _told(found: Chosen) -> dict[str, Any]:
    kept = ("name", "C", "low", "high", "at_end")
    intervals = {name: vars(getattr(found, name)) for name in ("value", "loss")}
    return {name: getattr(found, name) for name in kept} | intervals
