"""Finds a learning rate by successive halving, and keeps what was found in the study's folder.

Rates are trained for a while; those around the best go on for longer. Where the best of a round is
the first or the last that was tried, the one beyond is tried, too, as far as the range may grow;
in the last round also where the best rate's interval reaches that far, once at each end.
There the rate is where the parabola through the losses is lowest (`fit.optima`), with
an interval from the noise of its seeds. All of it follows from the stored records, so that a tuning
that was interrupted, or that two drivers share, ends the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from scaling.errors import InputError
from scaling.files import create, read
from scaling.fit.optima import Best, optima
from scaling.grid import Cell, Rung
from scaling.grid.rates import Tuned

if TYPE_CHECKING:
    from scaling.files import Place

FILE = "tune.json"
FORMAT = "scaling tuned learning rates 1"
GROWS = 3  # rates more, at each end of the range
DIGITS = 3  # of a rate that was found: it is known to some per cent

# Trains cells, or has them, and tells the loss of each by its id; infinite where it diverged.
Losses = Callable[[list[Cell]], Mapping[str, float]]


@dataclass(frozen=True)
class Round:
    """One round: its rates, rising, and the mean loss of each over seeds, infinite where a run
    diverged."""

    cells: list[Cell]
    rates: list[float]
    losses: list[float]

    @property
    def best(self) -> int:
        return min(range(len(self.rates)), key=self.losses.__getitem__)


@dataclass(frozen=True)
class Answer:
    """The rate of one model and recipe. q05, q95: its 90 % interval, None where that is open or
    unknown; bound: where the range ended before the losses rose. rounds: D, rates and losses."""

    key: str
    family: str
    data: str
    N: int
    D: int
    rate: float
    q05: float | None
    q95: float | None
    bound: str
    rounds: list[dict[str, Any]]
    cells: list[str]

    def told(self) -> str:
        """What a run of this rate says of it."""
        ends = ((word, v) for word, v in (("from", self.q05), ("up to", self.q95)) if v)
        interval = " ".join(f"{word} {v:.3g}" for word, v in ends)
        known = f" (90 %: {interval})" if interval else ""
        told = f"learning_rate {self.rate:g}{known}, tuned at N {self.N:,}, D {self.D:,}"
        beyond = f"; the best is {self.bound} that, where the range of rates ended"
        return told + (beyond if self.bound else "")


def halve(rung: Rung, losses: Losses) -> list[Round]:
    """All rounds of a rung. Raises InputError where runs diverge at every rate."""
    known = list(rung.rates)  # that were tried at all, rising
    room = {-1: GROWS, 1: GROWS}
    rates, rounds = list(known), list[Round]()

    def beyond(rate: float, side: int) -> float | None:
        """The next rate on one side of a round's end: one that was tried before, or a new one."""
        at = known.index(rate) + side
        if 0 <= at < len(known):
            return known[at]
        if not room[side]:
            return None
        room[side] -= 1
        new = rate * rate / known[at - 2 * side]  # by the ratio of the last two
        known.insert(max(at, 0), new)
        return new

    for number in range(len(rung.lengths)):
        closing = {-1, 1} if number == len(rung.lengths) - 1 else set[int]()
        while True:
            done = _round(rung, rates, number, losses)
            sides = {0: {-1}, len(rates) - 1: {1}}.get(done.best) or closing & _open(done, losses)
            closing -= sides
            new = [beyond(rates[0 if side < 0 else -1], side) for side in sides]
            if not (found := [rate for rate in new if rate is not None]):
                break
            rates = sorted([*rates, *found])
        if not math.isfinite(done.losses[done.best]):
            raise InputError(
                f"{rung.cell.family}: runs diverged at every learning rate from {known[0]:.3g} to "
                f"{known[-1]:.3g}: give lower ones in [tune] rates"
            )
        rounds.append(done)
        rates = _around(done, rung.kept(len(rates)))
    return rounds


def provisional(rung: Rung) -> list[list[Cell]]:
    """The cells of each round, if the middle rate is best: what a plan can know."""
    middle = math.log(rung.rates[len(rung.rates) // 2])

    def far(cells: list[Cell]) -> dict[str, float]:
        log = {cell.id: math.log(cell.recipe.learning_rate) - middle for cell in cells}
        return {run: math.exp(distance**2) for run, distance in log.items()}

    return [done.cells for done in halve(rung, far)]


def find(
    rungs: Sequence[Rung],
    folder: Place,
    train: Callable[[list[Cell]], Mapping[str, Mapping[str, Any]]],
) -> None:
    """Find the rates of all rungs, and keep them in the study's folder.

    train: trains cells and returns their records, by cell. Raises InputError where one failed.
    """

    def losses(cells: list[Cell]) -> dict[str, float]:
        return {run: _loss(record) for run, record in train(cells).items()}

    keep(folder, [answer(rung, halve(rung, losses), losses) for rung in rungs])


def answer(rung: Rung, rounds: Sequence[Round], losses: Losses) -> Answer:
    """The rate that the last round shows."""
    last = rounds[-1]
    best = _optimum(last, losses(last.cells))
    rate, q05, q95, bound = last.rates[last.best], None, None, ""
    if best is not None:
        bound = best.bound
        if not bound:
            rate = float(f"{best.value:.{DIGITS}g}")
            low, high = best.interval()
            q05, q95 = low or None, high if math.isfinite(high) else None
    return Answer(
        key=rung.key,
        family=rung.cell.family,
        data=rung.cell.data,
        N=rung.cell.shape.N,
        D=last.cells[0].D,
        rate=rate,
        q05=q05,
        q95=q95,
        bound=bound,
        rounds=[
            {
                "D": done.cells[0].D,
                "rates": done.rates,
                "losses": [loss if math.isfinite(loss) else None for loss in done.losses],
            }
            for done in rounds
        ],
        cells=[cell.id for done in rounds for cell in done.cells],
    )


def keep(folder: Place, answers: Sequence[Answer]) -> None:
    """Write what was found, unless another driver has."""
    told = {"format": FORMAT, "answers": [asdict(found) for found in answers]}
    create(folder / FILE, (json.dumps(told, indent=1) + "\n").encode())


def kept(folder: Place) -> list[Answer] | None:
    """What was found before, or None. Raises InputError for a file that says something else."""
    path = folder / FILE
    try:
        told = json.loads(read(path))
        if told["format"] != FORMAT:
            raise InputError(f"{path}: its format is {told['format']!r}, not {FORMAT!r}")
        return [Answer(**found) for found in told["answers"]]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not what tuning writes ({type(error).__name__}: {error}); move it away to "
            "tune anew: runs that are done are not repeated"
        ) from None


def tuned(answers: Sequence[Answer], rungs: Sequence[Rung]) -> Tuned:
    """The rates as planning takes them; of these rungs' data only."""
    of = {(rung.key, rung.cell.data) for rung in rungs}
    return {a.key: (a.rate, a.told()) for a in answers if (a.key, a.data) in of}


def trained(answers: Sequence[Answer], rungs: Sequence[Rung]) -> list[list[Cell]]:
    """The cells of each round that the answers rest on, as far as they are planned the same now."""
    by_key = {rung.key: rung for rung in rungs}
    return [
        [cell for cell in by_key[found.key].cells(done["rates"], number) if cell.id in found.cells]
        for found in answers
        if found.key in by_key
        for number, done in enumerate(found.rounds[: len(by_key[found.key].lengths)])
    ]


def _loss(record: Mapping[str, Any]) -> float:
    """Of a run that came to its end; infinite where its rate was too high for that."""
    if record["status"] == "failed":
        raise InputError(
            f"tuning the learning rate: cell {record['run']} failed: {record['reason']}; the same "
            "command tries it again"
        )
    return float(record["loss"]) if record["status"] in ("finished", "stopped") else math.inf


def _round(rung: Rung, rates: list[float], number: int, losses: Losses) -> Round:
    cells = rung.cells(rates, number)
    loss = losses(cells)
    seeds = len(cells) // len(rates)
    means = [
        sum(loss[cell.id] for cell in cells[at * seeds : (at + 1) * seeds]) / seeds
        for at in range(len(rates))
    ]
    return Round(cells, list(rates), means)


def _around(done: Round, count: int) -> list[float]:
    """The best rate of a round and `count` - 1 beside it, always the better neighbour."""
    low = high = done.best
    while high - low + 1 < count:
        below = done.losses[low - 1] if low else math.inf
        above = done.losses[high + 1] if high + 1 < len(done.rates) else math.inf
        if low and (below <= above or high + 1 == len(done.rates)):
            low -= 1
        else:
            high += 1
    return done.rates[low : high + 1]


def _open(last: Round, losses: Losses) -> set[int]:
    """The ends of a round, -1 and 1, that the interval of its best rate reaches."""
    best = _optimum(last, losses(last.cells))
    if best is None or best.bound:
        return set()
    return {side for side, is_open in ((-1, best.open_low), (1, best.open_high)) if is_open}


def _optimum(last: Round, loss: Mapping[str, float]) -> Best | None:
    """The lowest point of the parabola through a round, or None where too few runs came through."""
    if sum(map(math.isfinite, last.losses)) < 2:
        return None
    rows = [
        {
            "learning_rate": cell.recipe.learning_rate,
            "N": cell.shape.N,
            "D": cell.D,
            "seed": cell.seed,
            "loss": loss[cell.id],
            "status": "finished" if math.isfinite(loss[cell.id]) else "diverged",
        }
        for cell in last.cells
    ]
    (found,) = optima(pd.DataFrame(rows)).found
    return found.rate
