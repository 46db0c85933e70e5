"""What runs that could be trained would tell of a target: how their losses and it vary together.

What is known is held as draws, of the table's own forecaster and of a law under published priors
(`believed`), half of each, so that no design serves one law alone. Over the draws, a run's ln loss
and what is asked at the target vary together; taken as jointly normal, that says how much the
target narrows when the run is seen, before it is (the ensemble Kalman filter: Evensen 1994, J.
Geophys. Res. 99, 10143; choosing by it: Krause, Singh & Guestrin 2008, J. Mach. Learn. Res. 9,
235).

No law is right, so two things are added that the draws leave out. Outside the table's compute a law
may drift off: its level and its N_opt walk at random in ln C, at stated rates, so that only runs on
the way to the target show where they went, and much smaller runs show what holds there. What the
two say differently of the target is taken for drift, too. Without a table the walk begins at the
target. And a run far from the optimum, or far below the target, has an error of its own: the law's
shape is believed to a tenth of what it says there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.forecast.designs.believed import FREE, NOISE, believed_of
from scaling.forecast.designs.chosen import Joint
from scaling.forecast.forecasters import default
from scaling.forecast.predictor import Predictor
from scaling.forecast.rollouts.rollout import LEAST_ROWS
from scaling.forecast.rows import WITHIN, Rows, near_optimal
from scaling.units import UNSTATED

Array = NDArray[np.float64]

# Outside the data, sd of a law's drift in ln loss and in ln N_opt per root of an e-fold of compute.
LEVEL_DRIFT, SIZE_DRIFT = 0.006, 0.06
# A run's own error: of its elevation above the optimum, and per e-fold below the target.
_ELEVATION, _BELOW = 0.1, 0.0005
_KNOTS = 24  # of the frontier, between which it is straight
_NOISE_ROWS = 4.0  # that the prior of a run's noise weighs
_NATS = ("nats_per_token", UNSTATED)
_STEP = 0.02  # in ln N, of a derivative along a budget
_TAIL = 0.005  # draws beyond are drawn in: a bootstrap may run away


@dataclass(frozen=True, eq=False)
class Ground:
    """What a design rests on.

    members: predictors whose draws are pooled. plain: one without draws, that says how far runs are
    from the optimum. noise: sd of a run's ln loss. words: all that.
    """

    members: Sequence[Predictor]
    plain: Predictor
    noise: float
    words: tuple[str, ...]


def joint_of(ground: Ground, N: Array, D: Array, target: float) -> Joint:
    """ln losses of runs at N, D [n] and, at `target` FLOPs, ln loss, ln N_opt and the signed root
    of the regret of the size believed best (whose square's mean is the expected regret)."""
    x, y, apart = _pooled(ground.members, N, D, target)
    plain = ground.plain
    covariance, with_them = x @ x.T / x.shape[1], y @ x.T / x.shape[1]
    variance = (y**2).mean(axis=1)

    C = plain.cost.flops_per_token(N) * D
    low, high = (plain.c_min, plain.c_max) if plain.c_max else (target, target)
    above, under = (np.log(np.maximum(ratio, 1.0)) for ratio in (C / high, low / C))
    walk = np.minimum(above[:, None], above) + np.minimum(under[:, None], under)
    end = float(np.log(target / high))
    # what members say differently of the target is drift, too: runs on the way show who is right
    level = LEVEL_DRIFT**2 + (apart[0] / end if end else 0.0)
    size = SIZE_DRIFT**2 + (apart[1] / end if end else 0.0)
    up, tilt = _profile(plain, N, C)
    covariance += (level + size * np.outer(tilt, tilt)) * walk
    # how a walk of ln N_opt moves each quantity: the root of the regret in proportion
    moved = np.array([0.0, 1.0, (y[1] @ y[2]) / max(y[1] @ y[1], 1e-300)])
    reach = np.minimum(above, end)
    with_them -= size * np.outer(moved, tilt * reach)
    with_them[0] += level * reach
    variance += size * moved**2 * end
    variance[0] += level * end
    below = np.log(np.maximum(target / C, 1.0))
    noise = ground.noise**2 + (_ELEVATION * up) ** 2 + (_BELOW * below) ** 2
    return Joint(covariance, noise, with_them, variance)


def _pooled(
    members: Sequence[Predictor], N: Array, D: Array, target: float
) -> tuple[Array, Array, Array]:
    """Draws of ln loss of the runs [n, draws] and of the three quantities [3, draws], each around
    its member's mean, and the variance of the members' means of the quantities [3].

    A law's error far below the table says nothing of its error far above, so how members differ on
    a small run is not taken for a sign of who is right at the target.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        best = [member.optimum(target) for member in members]
    size = np.exp(np.mean([np.log(o.N.point) for o in best]))
    seen, asked, means = [], [], []
    for member, own in zip(members, best, strict=True):
        # a bootstrap of few rows may run away, to sizes and losses that have no number
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            at_size = member.loss(size, member.cost.tokens(target, size)).draws
            regret = np.log(np.maximum(at_size / own.loss.draws, 1.0))
            off = np.log(own.N.draws / size)
            y = np.array([np.log(own.loss.draws), off, np.sign(off) * np.sqrt(regret)])
            x = np.log(member.loss(N, D).draws).T
        kept = np.isfinite(x).all(axis=0) & np.isfinite(y).all(axis=0)
        if not kept.any():
            continue
        x, y = _drawn_in(x[:, kept]), _drawn_in(y[:, kept])
        means.append(y.mean(axis=1))
        seen.append(x - x.mean(axis=1, keepdims=True))
        asked.append(y - means[-1][:, None])
    if not seen:
        raise InputError("no draw of what is known gives a finite loss: more runs are needed")
    apart = np.var(means, axis=0)
    return np.concatenate(seen, axis=1), np.concatenate(asked, axis=1), apart


def _profile(plain: Predictor, N: Array, C: Array) -> tuple[Array, Array]:
    """ln loss above the optimum at C, and its derivative by ln N along the budget."""

    def ln_loss(N: Array) -> Array:
        return np.log(plain.loss(N, plain.cost.tokens(C, N)).point)

    along = np.geomspace(C.min(), C.max(), _KNOTS)
    lowest = np.interp(np.log(C), np.log(along), np.log(plain.optimum(along).loss.point))
    step = np.exp(_STEP)
    up = np.maximum(ln_loss(N) - lowest, 0.0)
    return up, (ln_loss(N * step) - ln_loss(N / step)) / (2 * _STEP)


def ground_of(rows: Rows | None, N: str, cost: Cost, draws: int, seed: int) -> Ground:
    """The table's forecaster and the law under published priors; the latter alone where rows are
    few. The priors are of language models' losses: raises InputError where few rows are of others.
    """
    language = rows is None or (rows.of_tokens and rows.kinds["L_kind"] in _NATS)
    count = 0 if rows is None else len(rows.C)
    if not language and count < LEAST_ROWS:
        raise InputError(
            f"{rows.source if rows else 'table'}: {count} rows; published priors are of language "
            f"models' losses in nats, so a design for others needs {LEAST_ROWS} or more"
        )
    members: list[Predictor] = []
    words: list[str] = []
    plain: Predictor = believed_of(rows, N=N, cost=cost, draws=0)
    if rows is not None and count >= LEAST_ROWS:
        item, why = default(rows)
        members.append(item.make(rows.frame, N=N, draws=draws, seed=seed))
        plain = item.make(rows.frame, N=N, draws=0)
        words.append(f"draws of {item.name}: {why}")
    if language:
        law = believed_of(rows, N=N, cost=cost, draws=draws, seed=seed)
        members.append(law)
        words.append(f"draws of {law.law.formula} under published priors, given {count} rows")
    noise = NOISE if rows is None else _noise(plain, rows)
    drift = (
        f"outside the table a law drifts by {LEVEL_DRIFT:.1%} of the loss and {SIZE_DRIFT:.0%} of "
        "N_opt per root of an e-fold"
    )
    return Ground(members, plain, noise, (*words, f"noise of a run's ln loss {noise:.2g}", drift))


def _noise(plain: Predictor, rows: Rows) -> float:
    """By the residuals of rows near the optimum, and a prior that weighs a few rows."""
    near = near_optimal(rows, WITHIN)
    residual = np.log(rows.loss / plain.loss(rows.N, rows.D).point)[near]
    seen = max(len(residual) - FREE, 0)
    spread = float((residual**2).mean()) if seen else 0.0
    return float(np.sqrt((seen * spread + _NOISE_ROWS * NOISE**2) / (seen + _NOISE_ROWS)))


def _drawn_in(values: Array) -> Array:
    """Values [k, draws], the outermost of each row drawn in to a quantile."""
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL], axis=1, keepdims=True)
    return np.clip(values, low, high)
