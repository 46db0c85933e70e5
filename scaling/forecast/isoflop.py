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
from scipy.special import log_ndtr

from scaling.cost import Cost, c_6nd, counted
from scaling.errors import InputError
from scaling.fit.approaches import Points, points_of
from scaling.fit.budgets import budget_numbers
from scaling.fit.prediction import Draws, Optimum
from scaling.forecast.paths import Path, Settings, learn
from scaling.forecast.profiles import TAILS, Profiles, fit_profiles

Array = NDArray[np.float64]
Index = NDArray[np.intp]

TOKENS_PER_PARAM = 20.0  # Hoffmann et al. 2022
NEEDED = 3  # budgets: two fix a line of N_opt and a slope of the loss, the third how they bend
_SIZES = 3  # of a budget: fewer have no profile
_WIDTH = 0.3  # of a budget in ln C: what chains up to more is a table of free N and D
_SAME_COST = 0.05  # C within 5 % of 6ND in every row is 6ND

# Log-normal priors, each a grid and (median, sd of the log). Of ln N_opt: sd of its departure from
# the rule, how far in ln C a departure is remembered, and a budget's own scatter.
_DEPARTURE = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6), (0.25, 0.8)
_MEMORY = (3.0, 6.0, 12.0)
_N_SCATTER = (0.01, 0.02, 0.04, 0.08, 0.16), (0.03, 0.7)
# Of the frontier: g, whose published values lie between .05 and .25 (geometric mean .15); relative
# to the loss, the walk's sd at _BEND_AT from the largest budget in ln C, and a budget's scatter.
_G = tuple(np.geomspace(0.02, 0.6, 15)), (0.15, 0.8)
_BEND = (0.0003, 0.001, 0.003, 0.01), (0.002, 0.8)
_BEND_AT = 4.0
_L_SCATTER = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008), (0.0007, 0.7)
# E and the reducible loss at the largest budget, as parts of its loss: .5 +- .5, E not below 0.
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
    points = points_of(table, N, where)
    rows, budget, notes = _profiles_of(points)
    n, c, loss = points.n[rows], points.c[rows], np.log(points.loss[rows])
    middle = (np.bincount(budget, c) / np.bincount(budget))[budget]
    slope = _slope(middle, loss, budget)
    # rows move to the budget's middle along the frontier, where C jitters
    profiles = fit_profiles(n - 0.5 * (c - middle), middle, loss - slope * (c - middle), budget)
    cost = _cost(points)
    rng = np.random.default_rng(seed)
    knots = np.arange(profiles.c.min() - _BELOW, profiles.c.max() + _ABOVE + _STEP, _STEP)
    half = np.linalg.cholesky(profiles.shape_cov)
    return IsoFlop(
        profiles=profiles,
        optima=_optima(profiles, cost, knots, draws, rng),
        frontier=_frontier(profiles, knots, draws, rng),
        shapes=profiles.shape + rng.normal(size=(draws, 4)) @ half.T,
        cost=cost,
        c_min=float(np.exp(c.min())),
        c_max=float(np.exp(c.max())),
        n_column=N,
        seed=seed,
        notes=tuple(notes),
    )


def _profiles_of(points: Points) -> tuple[Index, Index, list[str]]:
    """Rows of the budgets that count, the number of each row's budget, and what was left out."""
    label = budget_numbers(points.c)
    sizes = [len(np.unique(np.round(points.n[label == b], 6))) for b in range(label.max() + 1)]
    widths = [np.ptp(points.c[label == b]) for b in range(label.max() + 1)]
    counts = (np.array(sizes) >= _SIZES) & (np.array(widths) < _WIDTH)
    if counts.sum() < NEEDED:
        raise InputError(
            f"{points.source}: the isoFLOP model needs at least {NEEDED} distinct budgets (equal "
            f"C, {_SIZES} or more sizes each); there are {int(counts.sum())}"
        )
    rows = np.flatnonzero(counts[label])
    left = len(label) - len(rows)
    notes = [f"{left} rows left out: they share no C with {_SIZES - 1} other sizes"] if left else []
    return rows, np.unique(label[rows], return_inverse=True)[1], notes


def _slope(c: Array, loss: Array, budget: Index) -> float:
    """d ln loss / d ln C along the budgets' best rows."""
    best = np.array([loss[budget == b].min() for b in range(budget.max() + 1)])
    return float(np.polyfit(np.bincount(budget, c) / np.bincount(budget), best, 1)[0])


def _cost(points: Points) -> Cost:
    """What a token costs: 6ND where C is that to 5 % in every row; else as the rows say, which is
    a curve where C / 6ND is a function of N, and a constant where it only jitters."""
    N, D, C = np.exp(points.n), np.exp(points.d), np.exp(points.c)
    ratio = points.c - np.log(c_6nd(N, D))
    if np.abs(ratio).max() < _SAME_COST:
        return Cost()
    x = points.n - points.n.mean()
    jitter = ratio - np.polyval(np.polyfit(x, ratio, 2), x)
    if jitter.var() < 0.5 * ratio.var():
        return counted(N, D, C)
    middle = float(points.n.mean())
    return Cost("counted", (middle,), (middle + float(np.log(6) + ratio.mean()),))


def _normal(value: Array, centre: float, sd: float) -> Array:
    """Log density of a log-normal setting, up to a constant."""
    return np.asarray(-0.5 * ((np.log(value) - np.log(centre)) / sd) ** 2)


def _optima(
    profiles: Profiles, cost: Cost, knots: Array, draws: int, rng: np.random.Generator
) -> Path:
    """The path of ln N_opt: the rule plus a Matern-3/2 process."""
    x = np.concatenate([profiles.c, knots])
    rule = _rule(x, cost)
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


def _rule(c: Array, cost: Cost) -> Array:
    """ln N of the run with 20 tokens per parameter that costs e^c."""
    n = 0.5 * (c - np.log(6 * TOKENS_PER_PARAM))
    if cost.kind == "6ND":
        return np.asarray(n)
    for _ in range(30):  # Newton: ln cost per token + ln 20 + n = c
        miss = np.log(cost.flops_per_token(np.exp(n)) * TOKENS_PER_PARAM) + n - c
        n = n - miss / (1 + cost.elasticity(np.exp(n)))
    return np.asarray(n)


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
    falls = np.exp(-g[:, None] * x)
    terms = np.stack([np.ones_like(falls), falls], axis=-1)  # of E and of the reducible loss
    cov = profiles.loss_cov * np.outer(y, y)
    prior = _normal(g, *_G[1]) + _normal(bend, *_BEND[1]) + _normal(scatter, *_L_SCATTER[1])
    settings = Settings(
        mean=_TERM * terms.sum(axis=-1),
        kernels=walk[None],
        which=np.zeros(len(g), dtype=np.intp),
        size=bend,
        terms=terms,
        term_sd=_TERM_SD,
        scatter=scatter,
        log_prior=prior,
    )
    settings = replace(settings, log_prior=prior + _positive_e(settings, y, cov))
    path = learn(settings, knots, y, cov, y, draws, rng)
    height = profiles.loss[top]
    # more compute is never worse, and a loss is above 0
    falling = np.minimum.accumulate(np.maximum(path.draws, _LEAST), axis=1)
    mean_y = np.minimum.accumulate(np.maximum(path.mean, _LEAST))
    return Path(knots, height + np.log(mean_y), height + np.log(falling), path.scatter)


def _positive_e(settings: Settings, y: Array, cov: Array) -> Array:
    """ln of the probability, given the budgets, that E is above 0, by setting [s]."""
    b = len(y)
    total = settings.covariance(b)[:, :b] + settings.scatter[:, None, None] ** 2 * np.diag(y**2)
    link = np.full((len(total), b), _TERM_SD**2)  # covariance of E with the values seen
    pull = np.linalg.solve(total + cov, np.stack([y - settings.mean[:, :b], link], axis=-1))
    e = _TERM + (link * pull[..., 0]).sum(axis=1)
    variance = _TERM_SD**2 - (link * pull[..., 1]).sum(axis=1)
    return np.asarray(log_ndtr(e / np.sqrt(variance)))
