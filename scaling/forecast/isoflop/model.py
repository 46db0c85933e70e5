"""The forecaster for isoFLOP tables: a shape, a path of N_opt and a frontier, each on its own.

Laws such as E + A / N^alpha + B / D^beta tie three things to each other: how steep an isoFLOP
profile is, how fast its minimum falls with C, and how N_opt grows. Here each is learnt from what
shows it (`profiles`, `paths`):

- ln N_opt is the rule of 20 tokens per parameter plus a smooth function of ln C that returns to 0
  far from the budgets seen: near the data it follows them, far away the rule;
- the loss at N_opt is E + k C^-g plus a small departure that grows with distance (an integrated
  random walk), averaged over g with a prior from the published exponents;
- each budget may deviate from both by a scatter of its own.

The settings of these priors are averaged by their evidence in the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.budgets import budget_numbers
from scaling.fit.prediction import Draws, Optimum
from scaling.forecast.isoflop.paths import Path, Settings, learn
from scaling.forecast.isoflop.profiles import TAILS, Profiles, fit_profiles
from scaling.forecast.rows import Rows, rows_of
from scaling.forecast.rules import TOKENS_PER_PARAM, size_at

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NEEDED = 3  # budgets: two fix a line of N_opt and a slope of the loss, the third how they bend
_SIZES = 3  # of a budget: fewer have no profile
_WIDTH = 0.3  # of a budget in ln C: what chains up to more is a table of free N and D

# Log-normal priors, each a grid and (median, sd of the log). Of ln N_opt: sd of its departure from
# the rule, how far in ln C a departure is remembered, and a budget's own scatter.
_DEPARTURE = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6), (0.125, 0.8)
_MEMORY = (3.0, 6.0, 12.0)
_N_SCATTER = (0.01, 0.02, 0.04, 0.08, 0.16), (0.03, 0.7)
# Of the frontier: g, whose published values lie between .05 and .25 (geometric mean .15); relative
# to the loss, the walk's sd at _BEND_AT from the largest budget in ln C, and a budget's scatter.
_G = tuple(np.geomspace(0.02, 0.6, 15)), (0.15, 0.8)
_BEND = (0.0003, 0.001, 0.003, 0.01, 0.03), (0.004, 0.8)
_BEND_AT = 4.0
_L_SCATTER = (0.000125, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008), (0.00025, 0.7)
# E and the reducible loss at the largest budget, as parts of its loss: .5 +- .5, and E is above 0.
_TERM, _TERM_SD = 0.5, 0.5

_STEP, _BELOW, _ABOVE = 0.3, 3.0, np.log(1e4)  # knots in ln C, and how far they reach
_LEAST = 0.01  # of the loss at the largest budget: no forecast is lower


@dataclass(frozen=True, eq=False)
class IsoFlop:
    """The decoupled isoFLOP model fitted to a table; a `Predictor`.

    profiles: minima and shape. optima: path of ln N_opt. frontier: path of ln loss at N_opt, over
    ln C. shapes [n, 4]: draws of the shape. notes: what was left out.
    """

    profiles: Profiles
    optima: Path
    frontier: Path
    shapes: Array
    cost: Cost
    c_min: float
    c_max: float
    n_column: str
    seed: int
    notes: tuple[str, ...]

    @property
    def bare(self) -> IsoFlop:
        """The same point without draws."""
        optima, frontier = self.optima.bare, self.frontier.bare
        return replace(self, optima=optima, frontier=frontier, shapes=self.shapes[:0])

    def loss(self, N: ArrayLike, D: ArrayLike, *, noise: bool = False) -> Draws:
        """Loss in nats at N, D [...]; with `noise` the draws are of a new run's loss at a budget
        of its own."""
        n, ln_d = np.broadcast_arrays(np.log(np.asarray(N, float)), np.log(np.asarray(D, float)))
        c = np.log(self.cost.flops_per_token(np.exp(n))) + ln_d
        best, best_draws = self.frontier.at(c)
        optimum, optimum_draws = self._optimum(c)
        point = best + self.profiles.elevation(n - optimum, c, self.profiles.shape)
        shapes = self.shapes.reshape(-1, *(1,) * n.ndim, 4)
        up = self.profiles.elevation(n - optimum_draws, c, shapes)
        draws = best_draws + up
        if noise:
            rng = np.random.default_rng([self.seed, 1])
            own = self.frontier.scatter.reshape(-1, *(1,) * n.ndim)
            draws = draws + own * rng.normal(size=draws.shape)
            draws = draws + self.profiles.row_sd(up) * rng.standard_t(TAILS, size=draws.shape)
        return Draws(np.exp(point), np.exp(draws))

    def optimum(self, C: ArrayLike) -> Optimum:
        """Compute-optimal N, D and loss at C FLOPs [...]; draws of N are of a new budget's."""
        C = np.asarray(C, dtype=float)
        n, n_draws = self._optimum(np.log(C))
        loss, loss_draws = self.frontier.at(np.log(C))
        N = Draws(np.exp(n), np.exp(n_draws))
        D = Draws(self.cost.tokens(C, N.point), self.cost.tokens(C, N.draws))
        return Optimum(N, D, Draws(np.exp(loss), np.exp(loss_draws)))

    def _optimum(self, c: Array) -> tuple[Array, Array]:
        """ln N_opt at ln C = c; a draw keeps one deviation of a new budget for all c."""
        mean, draws = self.optima.at(c)
        own = np.random.default_rng([self.seed, 2]).normal(size=len(draws)) * self.optima.scatter
        return mean, draws + own.reshape(-1, *(1,) * c.ndim)


def isoflop(
    table: pd.DataFrame,
    *,
    N: str = "N",
    draws: int = 500,
    seed: int = 0,
    where: str | None = None,
) -> IsoFlop:
    """Fit the decoupled isoFLOP model to a table of N, D, loss and perhaps C (else 6ND).

    Rows of nearly one C are a budget; one with 3 sizes or more counts, whether its minimum is among
    them or not. Raises InputError where fewer than 3 count, or for bad rows.
    """
    if draws < 0:
        raise InputError(f"draws = {draws}; must be 0 or more")
    rows = rows_of(table, N, where)
    which, budget, notes = _profiles_of(rows)
    n, c, loss = (np.log(v[which]) for v in (rows.N, rows.C, rows.loss))
    middle = (np.bincount(budget, c) / np.bincount(budget))[budget]
    slope = _slope(middle, loss, budget)
    # rows move to the budget's middle along the frontier, where C jitters
    profiles = fit_profiles(n - 0.5 * (c - middle), middle, loss - slope * (c - middle), budget)
    rng = np.random.default_rng(seed)
    knots = np.arange(profiles.c.min() - _BELOW, profiles.c.max() + _ABOVE + _STEP, _STEP)
    half = np.linalg.cholesky(profiles.shape_cov)
    return IsoFlop(
        profiles=profiles,
        optima=_optima(profiles, rows.cost, knots, draws, rng),
        frontier=_frontier(profiles, knots, draws, rng),
        shapes=profiles.shape + rng.normal(size=(draws, 4)) @ half.T,
        cost=rows.cost,
        c_min=float(np.exp(c.min())),
        c_max=float(np.exp(c.max())),
        n_column=N,
        seed=seed,
        notes=tuple(notes),
    )


def _profiles_of(rows: Rows) -> tuple[Index, Index, list[str]]:
    """Rows of the budgets that count, the number of each row's budget, and what was left out."""
    n, c = np.log(rows.N), np.log(rows.C)
    label = budget_numbers(c)
    sizes = [len(np.unique(np.round(n[label == b], 6))) for b in range(label.max() + 1)]
    widths = [np.ptp(c[label == b]) for b in range(label.max() + 1)]
    counts = (np.array(sizes) >= _SIZES) & (np.array(widths) < _WIDTH)
    if counts.sum() < NEEDED:
        raise InputError(
            f"{rows.source}: the isoFLOP model needs at least {NEEDED} distinct budgets (equal "
            f"C, {_SIZES} or more sizes each); there are {int(counts.sum())}"
        )
    which = np.flatnonzero(counts[label])
    left = len(label) - len(which)
    notes = [f"{left} rows left out: they share no C with {_SIZES - 1} other sizes"] if left else []
    return which, np.unique(label[which], return_inverse=True)[1], notes


def _slope(c: Array, loss: Array, budget: Index) -> float:
    """d ln loss / d ln C along the budgets' best rows."""
    best = np.array([loss[budget == b].min() for b in range(budget.max() + 1)])
    return float(np.polyfit(np.bincount(budget, c) / np.bincount(budget), best, 1)[0])


def _normal(value: Array, centre: float, sd: float) -> Array:
    """Log density of a log-normal setting, up to a constant."""
    return np.asarray(-0.5 * ((np.log(value) - np.log(centre)) / sd) ** 2)


def _optima(
    profiles: Profiles, cost: Cost, knots: Array, draws: int, rng: np.random.Generator
) -> Path:
    """The path of ln N_opt: the rule plus a Matern-3/2 process."""
    x = np.concatenate([profiles.c, knots])
    rule = np.log(size_at(cost, np.exp(x), TOKENS_PER_PARAM))
    r = np.sqrt(3) * np.abs(x[:, None] - x) / np.array(_MEMORY)[:, None, None]
    departure, which, scatter = (
        v.ravel()
        for v in np.meshgrid(_DEPARTURE[0], np.arange(len(r)), _N_SCATTER[0], indexing="ij")
    )
    settings = Settings(
        mean=np.broadcast_to(rule, (len(which), len(x))),
        kernels=(1 + r) * np.exp(-r),
        which=which,
        size=departure,
        terms=np.zeros((len(which), len(x), 0)),
        term_sd=0.0,
        scatter=scatter,
        log_prior=_normal(departure, *_DEPARTURE[1]) + _normal(scatter, *_N_SCATTER[1]),
    )
    unit = np.ones(len(profiles.c))
    return learn(settings, knots, profiles.n, profiles.n_cov, unit, draws, rng)


def _frontier(profiles: Profiles, knots: Array, draws: int, rng: np.random.Generator) -> Path:
    """The path of ln loss at N_opt: E + k C^-g plus an integrated random walk, relative to the
    loss at the largest budget."""
    top = int(profiles.c.argmax())
    x = np.concatenate([profiles.c, knots]) - profiles.c[top]
    y = np.exp(profiles.loss - profiles.loss[top])
    near, far = (f(np.abs(x[:, None]), np.abs(x)) for f in (np.minimum, np.maximum))
    one_side = np.sign(x)[:, None] == np.sign(x)
    walk = np.where(one_side, near**2 * (3 * far - near) / 2, 0.0) / _BEND_AT**3
    g, bend, scatter = (
        v.ravel() for v in np.meshgrid(_G[0], _BEND[0], _L_SCATTER[0], indexing="ij")
    )
    reducible = np.pad(np.exp(-g[:, None] * x), [(0, 0), (0, 1)])  # the last point: C without end,
    terms = np.stack([np.ones_like(reducible), reducible], axis=-1)  # where E alone is left
    settings = Settings(
        mean=_TERM * terms.sum(axis=-1),
        kernels=np.pad(walk, (0, 1))[None],
        which=np.zeros(len(g), dtype=np.intp),
        size=bend,
        terms=terms,
        term_sd=_TERM_SD,
        scatter=scatter,
        log_prior=_normal(g, *_G[1]) + _normal(bend, *_BEND[1]) + _normal(scatter, *_L_SCATTER[1]),
    )
    cov = profiles.loss_cov * np.outer(y, y)
    path = learn(settings, knots, y, cov, y, draws, rng, limit=True)
    height = profiles.loss[top]
    # more compute is never worse, and a loss is above 0
    falling = np.minimum.accumulate(np.maximum(path.draws, _LEAST), axis=1)
    mean = np.minimum.accumulate(np.maximum(path.mean, _LEAST))
    return Path(knots, height + np.log(mean), height + np.log(falling), path.scatter)
