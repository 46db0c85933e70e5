"""The answer to a budget: what to train, how good, how sure, what it costs, what would change it.

One list of labelled sentences, which every format of the report shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scaling.devices import device
from scaling.errors import InputError
from scaling.forecast.decisions.regret import OPTIMUM, Regret
from scaling.forecast.decisions.stakes import Stakes, stakes
from scaling.forecast.forecast import Forecast, Nearest, forecast
from scaling.forecast.grounds import Grounds
from scaling.forecast.interval import Interval
from scaling.forecast.rates import SOURCES
from scaling.forecast.rules import RULES
from scaling.forecast.spending import Hardware, in_words
from scaling.forecast.words import reach
from scaling.plot.words import quantity
from scaling.report.numbers import flops
from scaling.report.pooled import Pooled
from scaling.units import loss_unit, measure, unit_of_d

AHEAD = 10.0  # times the largest run's compute, where no budget is asked for
DEVICE = "H100-SXM"  # what a run is priced on, where no device is named
_COUNTED = {
    "6ND": "6 N D, attention left out", "counted": "counted from the models",
    "stated": "as the law states them",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """The budget that a report answers.

    compute: FLOPs; None: ten times the largest run behind each law. hardware: what it is priced on;
    None: one H100-SXM at an assumed MFU. words: how the budget was given, where not in FLOPs. ends:
    what the ends of a range of MFU make of such a budget, in FLOPs.
    """

    compute: float | None = None
    hardware: Hardware | None = None
    words: str = ""
    ends: tuple[float, ...] = ()

    def priced_on(self) -> Hardware:
        return self.hardware or Hardware.of(device(DEVICE))


@dataclass(frozen=True)
class Answer:
    """What one law says of the budget. family: whose it is, where there are several."""

    family: str
    law: str
    found: Forecast
    stakes: Stakes
    hardware: Hardware
    budget: str

    @property
    def units(self) -> str:
        return unit_of_d(self.found.d_kind)

    def head(self) -> str:
        """The answer in a sentence."""
        found = self.found
        whose = f"{self.family}: train" if self.family else "Train"
        return (
            f"{whose} {quantity(found.N)} parameters on {quantity(found.D)} {self.units}, "
            f"and expect {self._measure} {found.loss.point:.4g}"
            f"{f' {self._unit}' if self._unit else ''}"
        )

    def lines(self) -> list[tuple[str, str]]:
        """Label and sentence, in the order in which one asks."""
        told = [
            ("Budget", self._budget()),
            ("Train", self._train()),
            *(("Recipe", f"{_first(str(item))}.") for item in self.found.rates),
            ("Expect", self._expect()),
            ("Costs", self._costs()),
            ("Assumed", f"{'. '.join(map(_first, self.hardware.lines(self.found.c_kind)))}."),
            ("Reach", f"A {self.found.kind}: {reach(self.found)}."),
            ("How sure", self._sure()),
            ("As good", self._as_good()),
            ("At stake", self._at_stake()),
        ]
        if (nearest := self.found.nearest) is not None and "none" not in nearest:
            shape = ", ".join(f"{key} {value}" for key, value in nearest.items())
            told.insert(2, ("Nearest", f"The nearest buildable configuration: {shape}."))
        return told

    def cautions(self) -> list[str]:
        """What must be read before the answer."""
        found = self.found
        if found.beyond_checked or (found.checked is None and found.compute_ratio > 1):
            reached = found.checked or 1.0
            known = (
                f"rollouts of these runs reach {reached:.3g} times beyond their cuts only"
                if reached > 1
                else "no rollout of these runs could check any forecast"
            )
            return [f"Unchecked: {reach(found)}, and {known}."]
        return []

    @property
    def _unit(self) -> str:
        return loss_unit(self.found.l_kind)

    @property
    def _measure(self) -> str:
        said = measure(self.found.l_kind).title if not self._unit else "loss"
        return said[0].lower() + said[1:]

    def _budget(self) -> str:
        return f"C = {flops(self.found.C)} FLOPs ({_COUNTED[self.found.c_kind]}): {self.budget}."

    def _train(self) -> str:
        found = self.found
        return (
            f"N = {_count(found.n_opt)} parameters ({found.n_column}) on D = "
            f"{_count(found.d_opt)} {self.units}: {found.tokens_per_param:.3g} {self.units} for "
            "each parameter."
        )

    def _expect(self) -> str:
        loss, best = self.found.loss, self.found.loss_opt
        told = f"{_first(self._measure)} {loss.point:.4g}{f' {self._unit}' if self._unit else ''}"
        if not loss.open:
            return f"{told}: no interval, since the fit has no draws."
        ends = f"{loss.q05:.4g} to {loss.q95:.4g}"
        mean = f"{best.q05:.4g} to {best.q95:.4g}"
        return (
            f"{told} (90 % interval of one run {ends}; of the law's mean {mean}), by the law "
            f"{self.law}."
        )

    def _costs(self) -> str:
        found = self.found
        assert found.spend is not None  # a report is always priced
        told = f"{in_words(found.spend, self.hardware.count)} of {self.hardware.device.name}"
        extra = "".join(
            f" {name} MFU: C = {flops(end.C)}, N = {quantity(end.n_opt)}, loss {end.loss_opt:.4g}."
            for name, end in zip(("Least", "Most"), found.ends, strict=False)
        )
        return f"{_first(told)}.{extra}"

    def _sure(self) -> str:
        record = self.stakes.reliability
        if record is None:
            return "No rollout of these runs checked a forecast: the interval is the law's alone."
        return f"{_first(str(record))}."

    def _as_good(self) -> str:
        flat, share = self.stakes.decision.flat, f"{self.stakes.decision.flat.within:.1%}"
        if flat.safe is not None:
            low, high = (quantity(end) for end in flat.safe)
            return (
                f"In 90 % of the draws every N from {low} to {high}, with the D that it leaves, is "
                f"within {share} of the best loss."
            )
        low, high = quantity(self.found.flat[0]), quantity(self.found.flat[1])
        told = f"By the estimate every N from {low} to {high} is within {share} of the best loss"
        if flat.surest is None:
            return f"{told}."
        N, held = flat.surest
        return (
            f"{told}, but no N is so in 90 % of the draws: the surest, {quantity(N)}, is in "
            f"{held:.0%}."
        )

    def _at_stake(self) -> str:
        decision = self.stakes.decision
        if not decision.draws:
            return "Without draws nothing can be said of what a wrong N would waste."
        told = [f"this N is expected to waste {_waste(decision.choices[OPTIMUM])} of C"]
        told += [
            f"{RULES[name].words} (N = {quantity(item.N)}) {_waste(item)}"
            for name, item in decision.choices.items()
            if name in RULES
        ]
        best = decision.best
        return (
            f"{_first('; '.join(told))}. N = {quantity(best.N)} wastes least, {_waste(best)}: that "
            "is what more small runs, which would tell N_opt, could save at most."
        )


def answers(
    grounds: Mapping[str, Grounds],
    asked: Asked,
    nearest: Mapping[str, Nearest | None],
    several: bool,
) -> tuple[list[Answer], list[str]]:
    """What the law of each family says of the budget, and why some say nothing."""
    found, silent = [], []
    for family, ground in grounds.items():
        whose = f" of {family}" if several else ""
        try:
            found.append(_answer(family if several else "", ground, asked, nearest.get(family)))
        except InputError as error:
            silent.append(f"The law{whose} answers no budget: {error}.")
    return found, silent


def _answer(family: str, ground: Grounds, asked: Asked, nearest: Nearest | None) -> Answer:
    predictor, hardware = ground.predictor, asked.priced_on()
    assert isinstance(predictor, Pooled)  # as all of a report are
    law = predictor.law
    if law.response != "loss":
        raise InputError(f"law {law.name} is of {law.response}, not of a loss")
    if not {"N", "D"} <= set(law.variables):
        raise InputError(f"law {law.name} is of {', '.join(law.variables)}, not of N and D")
    if set(law.variables) > {"N", "D"}:
        raise InputError(
            f"law {law.name} asks for more than N and D ({', '.join(law.variables)}); "
            "`scaling forecast --with` holds the others"
        )
    C, budget = asked.compute, asked.words or "as asked"
    if C is None:
        C, budget = usual(predictor.c_max), f"{AHEAD:g} times the largest run fitted"
    of_tokens = unit_of_d((ground.kinds or {}).get("D_kind", "")) == "tokens"
    found = forecast(
        predictor, compute=C, nearest=nearest, naive=ground.naive, kinds=ground.kinds,
        hardware=hardware, rates=SOURCES if of_tokens else (), compute_range=asked.ends,
    )  # fmt: skip
    return Answer(family, law.name, found, stakes(found, ground), hardware, budget)


def usual(largest: float) -> float:
    """The budget that is answered where none is asked for, of three digits as a reader types it."""
    return float(f"{AHEAD * largest:.3g}")


def _count(value: Interval) -> str:
    ends = f" (90 % interval {quantity(value.q05)} to {quantity(value.q95)})" if value.open else ""
    return f"{quantity(value.point)}{ends}"


def _waste(item: Regret) -> str:
    return f"{100 * item.share:.3g} % ({100 * item.q05:.3g} to {100 * item.q95:.3g} %)"


def _first(text: str) -> str:
    return text if text.startswith("kWh") else text[0].upper() + text[1:]
