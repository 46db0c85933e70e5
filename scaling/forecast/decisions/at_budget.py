"""A budget as every draw sees it: how far above its own best the loss of each N is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.fit.prediction import Draws
from scaling.forecast.averaged import Averaged
from scaling.forecast.decisions.exchange import STEPS, Exchange
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollouts.calibrated import Calibrated

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_KNOT = 0.2  # in ln N, of the profiles that are read at other places than they were computed at
_FAR = float(np.log(1e6))  # no error moves a profile further than this


class AtBudget:
    """One budget of C FLOPs, and each draw's loss of any N that spends it.

    Losses are the law's mean, without the noise of a run: noise falls on any choice alike. The
    errors of N_opt that a `Calibrated` forecaster made before move each draw's whole profile along
    ln N; how steep a profile is, and how much compute a loss is worth, are the draw's own. A
    predictor without draws is its point.
    """

    def __init__(self, predictor: Predictor, C: float) -> None:
        self.C = C
        found = [part.finite() for part in _parts(predictor, C)]
        # A member of an average may weigh too little for a draw.
        self._parts = [part for part in found if len(part.n_opt)] or found[:1]

    @property
    def n_opt(self) -> Array:
        """ln of each draw's own N_opt [draws]."""
        return np.concatenate([part.n_opt for part in self._parts])

    def above(self, N: ArrayLike) -> Array:
        """The loss of N [k] over each draw's best at C, less 1: [draws, k]."""
        n = np.log(np.asarray(N, dtype=float))
        return np.concatenate([part.losses(n) / part.exchange.here - 1 for part in self._parts])

    def wasted(self, N: ArrayLike) -> Array:
        """The share of C that each draw would save by its own N_opt at the loss that N [k] gives:
        1 - C' / C, where the draw's frontier at C' has that loss. [draws, k]."""
        n = np.log(np.asarray(N, dtype=float))
        saved = [part.exchange.e_folds(part.losses(n)) for part in self._parts]
        return np.asarray(-np.expm1(-np.concatenate(saved)))


@dataclass(frozen=True, eq=False)
class _Part:
    """One predictor's draws at C; which: those that count. moved [draws]: how far in ln N past
    errors move each profile; None where nothing does."""

    predictor: Predictor
    C: float
    n_opt: Array
    moved: Array | None
    which: Index
    exchange: Exchange

    def losses(self, n: Array) -> Array:
        """The loss of e^n [k], never below the draw's best: [draws, k]."""
        if self.moved is None:
            found = self._own(n)
        else:
            wanted = n - self.moved[:, None]
            low, high = wanted.min() - 2 * _KNOT, wanted.max() + 2 * _KNOT
            knots = np.arange(low, high + _KNOT, _KNOT)
            found = _cubic(self._own(knots), (wanted - low) / _KNOT)
        return np.maximum(found, self.exchange.here)

    def _own(self, n: Array) -> Array:
        N = np.exp(n)
        return _rows(self.predictor.loss(N, self.predictor.cost.tokens(self.C, N)))[self.which]

    def only(self, kept: Index) -> _Part:
        """These draws of it alone."""
        e = self.exchange
        return _Part(
            self.predictor,
            self.C,
            self.n_opt[kept],
            None if self.moved is None else self.moved[kept],
            self.which[kept],
            Exchange(e.here[kept], e.half[kept], e.quarter[kept]),
        )

    def finite(self) -> _Part:
        """Without the draws that ran away, which say nothing."""
        e = self.exchange
        losses = np.hstack([e.here, e.half, e.quarter])
        known = np.isfinite(losses).all(axis=1) & np.isfinite(self.n_opt)
        return self if known.all() else self.only(np.flatnonzero(known))


def _parts(predictor: Predictor, C: float) -> Sequence[_Part]:
    """The predictors whose draws stand side by side: the members of an average, else itself."""
    if not isinstance(predictor, Averaged):
        return [_part(predictor, C)]
    parts = [_part(member, C) for member in predictor.members]
    kept = predictor.kept([len(part.which) for part in parts])
    return [part.only(own) for part, own in zip(parts, kept, strict=True)]


def _part(predictor: Predictor, C: float) -> _Part:
    n_opt = np.log(_rows(predictor.optimum(C).N))
    bare, moved = predictor, None
    if isinstance(predictor, Calibrated):
        bare = predictor.predictor
        errors = n_opt - np.log(_rows(bare.optimum(C).N))
        moved = np.clip(errors, -_FAR, _FAR) if errors.any() else None
    exchange = Exchange.of(_rows(bare.optimum(C * STEPS).loss))
    return _Part(bare, C, n_opt, moved, np.arange(len(n_opt)), exchange)


def _rows(values: Draws) -> Array:
    return values.draws if len(values.draws) else values.point[None]


def _cubic(values: Array, at: Array) -> Array:
    """Each row of values [draws, knots] read at places `at` [draws, k], in steps of the knots, by
    the cubic through the four around it."""
    left = np.clip(np.floor(at).astype(np.intp), 1, values.shape[1] - 3)
    t = at - left
    weights = (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    first = np.arange(len(values))[:, None] * values.shape[1] + left - 1
    flat = values.ravel()
    return np.asarray(sum(w * flat[first + i] for i, w in enumerate(weights)))
