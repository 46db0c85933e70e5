"""What is at stake in acting on a forecast: what a wrong N wastes, and how forecasts that reach as
far have fared on the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaling.forecast.decisions.regret import Decision, decide
from scaling.forecast.forecast import Forecast
from scaling.forecast.grounds import Grounds

if TYPE_CHECKING:
    from scaling.forecast.rollouts.reliability import Reliability

ASKED = "asked"  # the N that a question or a limit fixed
_SAME = 1e-6  # relative difference of two N that are one choice


@dataclass(frozen=True)
class Stakes:
    """The regrets of the choices at a forecast's C, and the record of rollouts at its distance;
    None where none were made, and below the least run, where none ever go."""

    decision: Decision
    reliability: Reliability | None

    def lines(self) -> list[str]:
        told = self.decision.lines()
        return told if self.reliability is None else [*told, f"record   {self.reliability}"]

    def to_dict(self) -> dict[str, Any]:
        record = None if self.reliability is None else self.reliability.to_dict()
        return {**self.decision.to_dict(), "reliability": record}


def stakes(found: Forecast, grounds: Grounds) -> Stakes:
    """The regret of N_opt, of the N asked for where it is another, and of the naive rules; in
    dollars, too, where the forecast has a price."""
    choices = dict(found.naive or {})
    if abs(found.N / found.n_opt.point - 1) > _SAME:
        choices = {ASKED: found.N, **choices}
    price = None if found.spend is None else found.spend.dollars
    per_flop = None if price is None else price.point / found.C
    record_at = None if found.least_ratio < 1 else grounds.record_at
    return Stakes(
        decide(grounds.predictor, found.C, choices=choices, dollars_per_flop=per_flop),
        None if record_at is None else record_at(found.compute_ratio),
    )
