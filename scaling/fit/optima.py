"""The best learning rate and batch of each size and length in a sweep, with intervals.

Around its lowest point ln loss is a parabola in ln rate, or a cubic where there are points enough
(too high a rate costs more than too low a one); its minimum is the optimum. Of several batches each
has a best rate and the loss there, and these losses have a minimum in ln batch. A diverged run
bounds the loss from below: the curve must not pass under it. Where the lowest point
is the sweep's first or last, the optimum lies beyond: then there is a bound, and no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.prediction import Draws
from scaling.fit.sweeps import Sweep, Sweeps, sweeps_of

Array = NDArray[np.float64]
Bound = Literal["", "at most", "at least"]

_REACH = np.log(4.3)  # a parabola is fitted to rates within about 4x of the lowest point's
_NEAR = np.log(1.1)  # and to losses within 10 % of it; in any case to its two neighbours
_NEEDED = 3  # points of a parabola
_CUBIC = 7  # points from which on the curve may be lopsided
_RATES = 3  # that a sweep needs to show a minimum
_OPEN = 0.05  # share of draws at a sweep's end from which the interval is open there


@dataclass(frozen=True, eq=False)
class Best:
    """Where the loss is lowest along one axis (rate or batch).

    log: ln of it, estimate and draws; those outside the sweep lie at its end. bound: "" for an
    optimum inside the sweep; else it is at most, or at least, the estimate. open_low, open_high:
    the interval has no end there. twofold: what half of it, and twice, add to ln loss, by
    interpolation of the sweep; NaN outside.
    """

    log: Draws
    bound: Bound
    open_low: bool
    open_high: bool
    twofold: tuple[float, float]

    @property
    def known(self) -> bool:
        """Whether it is an estimate with an interval of two ends."""
        return not (self.bound or self.open_low or self.open_high)

    @property
    def value(self) -> float:
        return float(np.exp(self.log.point))

    @property
    def se(self) -> float:
        """Standard error of ln value."""
        return float(self.log.draws.std())

    def interval(self, level: float = 0.90) -> tuple[float, float]:
        """Central interval; 0 or infinity where it is open."""
        low, high = (float(v) for v in np.exp(self.log.interval(level)))
        return 0.0 if self.open_low else low, float("inf") if self.open_high else high


@dataclass(frozen=True, eq=False)
class SweepOptimum:
    """The optimum of one size and length. batch: None where there are fewer than three batches;
    `rate` is then of the better one, else of the best batch. loss: at the optimum. by_batch: each
    batch (NaN where the table has none) and the best rate there."""

    sweep: Sweep
    rate: Best
    batch: Best | None
    loss: float
    by_batch: tuple[tuple[float, Best], ...]


@dataclass(frozen=True, eq=False)
class Optima:
    """All optima of a table. noise: standard deviation of a run's ln loss, by `spare` degrees of
    freedom, from `noise_of` ("seeds" or "misfit", the larger of the two)."""

    found: tuple[SweepOptimum, ...]
    sweeps: Sweeps
    noise: float
    spare: int
    noise_of: str

    def best(self, response: str) -> tuple[pd.DataFrame, list[Best]]:
        """What is known of the best "learning_rate" or "batch_tokens" (in units of D): the optima
        that are estimates, one row each with N, D, C and its standard error. A rate at a batch that
        is only a bound is none: the best batch, and its rate, lie beyond."""
        pairs = [
            (o.sweep.at, o.rate if response == "learning_rate" else o.batch)
            for o in self.found
            if not (o.batch is not None and o.batch.bound)
        ]
        return self._rows([(at, best) for at, best in pairs if best is not None], response)

    def at_batches(self) -> tuple[pd.DataFrame, list[Best]]:
        """The same of the best rate at each batch B that was tried."""
        pairs = [({**o.sweep.at, "B": batch}, b) for o in self.found for batch, b in o.by_batch]
        return self._rows([(at, b) for at, b in pairs if np.isfinite(at["B"])], "learning_rate")

    def _rows(
        self, pairs: list[tuple[dict[str, float], Best]], response: str
    ) -> tuple[pd.DataFrame, list[Best]]:
        known = [(at, best) for at, best in pairs if best.known]
        kinds = {k: v for k, v in self.sweeps.kinds.items() if k != "L_kind"}
        rows = [
            {**at, response: best.value, f"{response}_se": best.value * best.se, **kinds}
            for at, best in known
        ]
        table = pd.DataFrame(rows)
        table.attrs["source"] = self.sweeps.source
        return table, [best for _, best in known]


@dataclass(frozen=True, eq=False)
class _Along:
    """Minima along one axis, [1 + draws], the estimate first."""

    x: Array
    value: Array
    bound: Bound
    ends: tuple[float, float]


def optima(
    table: pd.DataFrame,
    *,
    N: str = "N",
    where: str | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Optima:
    """The optimum of each sweep in a run table, with draws from the noise of its runs.

    Noise is what seeds differ by, or what the curves miss, whichever is more. Raises InputError
    where no group has three rates, and for what `sweeps_of` refuses.
    """
    sweeps = sweeps_of(table, N=N, where=where)
    usable = [s for s in sweeps.groups if any(len(x) >= _RATES for _, x, _, _ in s.of_batch())]
    if not usable:
        raise InputError(
            f"{sweeps.source}: no size and length with {_RATES} learning rates: nothing to compare"
        )
    noise, spare, origin = _noise(sweeps, usable)
    generator = np.random.default_rng(seed)
    # The noise is itself estimated: Student's t, one scale a replicate for all groups.
    scale = noise * np.sqrt(spare / generator.chisquare(spare, size=draws)) if spare else 0.0
    scale = np.broadcast_to(scale, draws)
    found = tuple(_optimum(sweep, scale, generator) for sweep in usable)
    return Optima(found, sweeps, noise, spare, origin)


def _optimum(sweep: Sweep, scale: Array, generator: np.random.Generator) -> SweepOptimum:
    parts = []
    for batch, rates, loss, runs in sweep.of_batch():
        if np.isfinite(loss).sum() < 2 or len(rates) < _RATES:
            continue
        spread = np.where(np.isfinite(loss), 1 / np.sqrt(np.maximum(runs, 1)), 0.0)
        shift = scale[:, None] * spread * generator.normal(size=(len(scale), len(loss)))
        y = np.concatenate([loss[None], loss + shift])
        parts.append((batch, _along(np.log(rates), y), np.log(rates), loss))
    each = [
        (batch, _best(along, _twofold(along.x[0], along.value[0], x, loss)))
        for batch, along, x, loss in parts
    ]
    if len(parts) < _NEEDED:
        lowest_of = int(np.argmin([along.value[0] for _, along, _, _ in parts]))
        along = parts[lowest_of][1]
        return SweepOptimum(sweep, each[lowest_of][1], None, _level(along), tuple(each))
    z = np.log([batch for batch, *_ in parts])
    lowest = np.stack([along.value for _, along, _, _ in parts], axis=1)  # [1 + draws, batches]
    over = _along(z, lowest)
    # The best rate at the best batch, from those of the batches nearby: straight in logs.
    near = np.abs(z - over.x[0]) <= _REACH
    line = [along.x for (_, along, _, _), use in zip(parts, near, strict=True) if use]
    ends = (min(p[1].ends[0] for p in parts), max(p[1].ends[1] for p in parts))
    rate = np.clip(_straight(z[near], np.stack(line, axis=1), over.x), *ends)
    closest = int(np.argmin(np.abs(z - over.x[0])))
    joint = _Along(rate, over.value, parts[closest][1].bound, ends)
    best = _best(joint, each[closest][1].twofold)
    of_batch = _best(over, _twofold(over.x[0], over.value[0], z, lowest[0]))
    return SweepOptimum(sweep, best, of_batch, _level(over), tuple(each))


def _level(along: _Along) -> float:
    return float(np.exp(along.value[0]))


def _straight(z: Array, rate: Array, at: Array) -> Array:
    """A line through rates [1 + draws, batches] over z: its height at each `at` [1 + draws]."""
    middle = z.mean()
    x = z - middle
    slope = rate @ x / max(float(x @ x), 1e-300)
    return np.asarray(rate.mean(axis=1) + slope * (at - middle))


def _best(along: _Along, twofold: tuple[float, float]) -> Best:
    draws, (low, high) = along.x[1:], along.ends
    n = max(len(draws), 1)
    below = along.bound == "at most" or float((draws <= low).sum()) / n > _OPEN
    above = along.bound == "at least" or float((draws >= high).sum()) / n > _OPEN
    told = Draws(np.asarray(along.x[0]), draws)
    return Best(told, along.bound, below, above, twofold)


def _twofold(at: float, lowest: float, x: Array, loss: Array) -> tuple[float, float]:
    """What half and twice the optimum add to ln loss, by interpolation of its points; NaN where
    the sweep does not reach."""
    known = np.isfinite(loss)
    if known.sum() < 2:
        return float("nan"), float("nan")
    from scipy.interpolate import PchipInterpolator  # late: commands that fit nothing start sooner

    curve = PchipInterpolator(x[known], loss[known], extrapolate=False)
    return float(curve(at - np.log(2)) - lowest), float(curve(at + np.log(2)) - lowest)


def _along(x: Array, y: Array) -> _Along:
    """The minimum over x [points] of losses y [1 + draws, points], NaN where a run diverged."""
    k, finished = int(np.nanargmin(y[0])), np.isfinite(y[0])
    lost = np.flatnonzero(~finished & (x > x[k]))
    wall = int(lost[0]) if len(lost) else None  # the first rate above that diverged
    usable = finished & ((x < x[wall]) if wall is not None else True)
    known = np.flatnonzero(usable)
    ends = float(x[known[0]]), float(x[wall if wall is not None else known[-1]])
    flat = np.broadcast_to(x[k], len(y)).copy()
    if k == known[0]:
        return _Along(flat, y[:, k], "at most", ends)
    if k == known[-1] and wall is None:
        return _Along(flat, y[:, k], "at least", ends)
    near = usable & _nearby(x, y[0], k)
    position = int(np.searchsorted(known, k))
    near[known[position - 1 : position + 2]] = True  # both neighbours, however far
    at, value, curved = _vertex(x[near], y[:, near])
    if wall is not None and x[wall] - x[k] <= max(_REACH, x[k] - x[known[position - 1]]):
        # Its loss is at least the worst that finished: bend curves that pass below.
        limit = y[:, usable].max(axis=1)
        bent = _vertex(np.append(x[near], x[wall]), np.column_stack([y[:, near], limit]))
        fitted = _value(x[near], y[:, near], x[wall])
        low = ~np.isfinite(fitted) | (fitted < limit)
        at, value, curved = (
            np.where(low, b, a) for a, b in zip((at, value, curved), bent, strict=True)
        )
    # Without a minimum the loss falls towards the lower end of the window.
    first, last = y[:, near][:, 0], y[:, near][:, -1]
    at = np.where(curved, at, np.where(first < last, ends[0], ends[1]))
    return _Along(np.clip(at, *ends), np.where(curved, value, np.minimum(first, last)), "", ends)


def _nearby(x: Array, loss: Array, k: int) -> NDArray[np.bool_]:
    """Which points lie near the lowest, the k-th, in both respects."""
    return np.asarray((np.abs(x - x[k]) <= _REACH) & (loss - loss[k] <= _NEAR))


def _coefficients(x: Array, y: Array) -> Array:
    """Of a curve through y [b, n] over x [n], by least squares: [4, b], the constant first; the
    last is 0 for a parabola."""
    degree = 3 if len(x) >= _CUBIC else 2
    powers = x[:, None] ** np.arange(degree + 1)
    found = np.linalg.pinv(powers) @ y.T
    return np.concatenate([found, np.zeros((3 - degree, len(y)))])


def _value(x: Array, y: Array, at: float) -> Array:
    """The curves at one place; NaN where there are too few points for any."""
    if len(x) < _NEEDED:
        return np.full(len(y), np.nan)
    return np.asarray(_coefficients(x - at, y)[0])


def _vertex(x: Array, y: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Minima of the curves: where, how low, and whether there is one, each [b]."""
    if len(x) < _NEEDED:
        return y[:, 0], y[:, 0], np.zeros(len(y), dtype=bool)
    middle = x.mean()
    c = _coefficients(x - middle, y)
    square = c[2] ** 2 - 3 * c[1] * c[3]
    root = c[2] + np.sqrt(np.maximum(square, 0.0))
    curved = (square > 0) & (root > 0)
    at = -c[1] / np.where(curved, root, 1.0)
    return middle + at, np.polynomial.polynomial.polyval(at, c, tensor=False), curved


def _noise(sweeps: Sweeps, groups: list[Sweep]) -> tuple[float, int, str]:
    """The noise of one run's ln loss: by seeds, or by what the curves miss, whichever is more."""
    total, spare = 0.0, 0
    for sweep in groups:
        for _, rates, loss, runs in sweep.of_batch():
            x, finished = np.log(rates), np.isfinite(loss)
            if not finished.any():
                continue
            k = int(np.nanargmin(loss))
            near = finished & _nearby(x, loss, k)
            left = int(near.sum()) - _NEEDED - int(near.sum() >= _CUBIC)
            if left <= 0:
                continue
            c = _coefficients(x[near], loss[near][None])[:, 0]
            miss = loss[near] - np.polynomial.polynomial.polyval(x[near], c)
            total += float((runs[near] * miss**2).sum())
            spare += left
    misfit = float(np.sqrt(total / spare)) if spare else 0.0
    if not sweeps.spare and not spare:
        return 0.0, 0, "none: no seeds are repeated, and no sweep has more than 3 rates nearby"
    if sweeps.spare and not (spare and misfit > sweeps.noise):
        return sweeps.noise, sweeps.spare, "seeds"
    return misfit, spare, "misfit"
