"""The search behind a profile: where the objective, minimised at held values, crosses a threshold.

Values are looked at outwards from the estimate, each solved from several starts and from its
neighbours' solutions, until both ends are known; then the ends are refined and a curve is drawn.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import ndtri

from scaling.errors import InputError
from scaling.fit import constrained
from scaling.fit.build import Coordinates, build
from scaling.fit.draws import sandwich
from scaling.fit.problem import Array, Problem, Solutions
from scaling.fit.quantity import Quantity
from scaling.fit.result import Fit
from scaling.fit.starts import starts

End = Literal["crossed", "bound", "open"]
Calibration = Literal["bootstrap", "sandwich"]

# Standard errors from the estimate at which the profile is looked at first.
_LOOKS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)
_FURTHER = 1.5  # each look beyond these is so many times as far
_FARTHEST = 1e4  # standard errors
_SEEDS = 4  # of the fit's own starts that each value is started from too
_SEEDED_ROWS = 5_000  # larger tables start from the estimate and the draws alone
_MARGIN = 0.15  # of the interval's width, shown beyond its ends
_REFINEMENTS = 40
_PLATEAU = 1e-6  # relative
_SAME = 1e-9  # relative difference in objective that is rounding
_QUANTILES = np.linspace(0.01, 0.99, 15)  # of the draws, that are looked at too
_SMOOTH = ("squared", "huber", "asymmetric", "student_t")


class Found(NamedTuple):
    """A curve (t on the quantity's own scale, and the objective), its ends and its threshold."""

    t: Array
    value: Array
    below: tuple[End, float]
    above: tuple[End, float]
    minimum: float
    allowed: float  # how far the objective may rise
    scale: float


class Search:
    """One profile at work. Values are t, on the quantity's own scale; all solved ones are kept."""

    def __init__(self, fit: Fit, asked: Quantity, level: float, calibration: Calibration) -> None:
        self.fit, self.asked, self.level, self.calibration = fit, asked, level, calibration
        self.problem, self.coordinates, self.x = _rebuild(fit, asked)
        self.best = self.coordinates.encode({k: np.array(v) for k, v in fit.params.items()})
        here = float(self.problem.value(self.best[None], self.problem.weights[None])[0])
        if not abs(here - fit.value) <= 1e-6 * abs(fit.value) + 2 * self.problem.floor:
            raise InputError(
                "this fit is one group's part of a fit over several: its profile would need "
                "the other groups' rows"
            )
        self.estimate = float(
            asked.value({k: np.array([v]) for k, v in fit.params.items()}).ravel()[0]
        )
        if not np.isfinite(asked.scaled(self.estimate)):
            raise InputError(f"{asked.label} = {self.estimate:g} at the estimate: no profile there")
        self.origin = float(asked.scaled(self.estimate))
        self.low, self.high = asked.limits(self.estimate)
        self.others = self._other_starts()
        self.t = np.array([self.origin])
        self.u = self.best[None]
        self.value = np.array([here])
        self.error, self.path, self.scale = self._local()
        self.drawn, self.drawn_u = self._draws()

    def run(self, points: int) -> Found:
        """Both ends of the interval, and the curve a little beyond them."""
        looks = self.error * np.array(_LOOKS)
        for side in (-1.0, 1.0):
            self._look(self.origin + side * looks)
        if len(self.drawn):
            self._look(np.clip(np.quantile(self.drawn, _QUANTILES), self.low, self.high))
        self._neighbours()
        self.allowed = self._allowed()
        below, above = self._end(-1.0), self._end(1.0)
        t = self._curve((below[1], above[1]), points)
        at = np.searchsorted(self.t, t)
        return Found(t, self.value[at], below, above, self.minimum, self.allowed, self.scale)

    @property
    def minimum(self) -> float:
        return float(self.value.min())

    def _gap(self, u: Any, values: Array) -> Array:
        return np.asarray(self.asked.gap(self.coordinates.decode(u), values))

    def _local(self) -> tuple[float, Array, float]:
        """Standard error of t, du/dt along the profile, and the scale k of the likelihood ratio."""
        v = np.array([self.estimate])
        step = 1e-6
        ahead = self._gap(self.best[None], self.asked.unscaled(self.origin + step)[None])
        behind = self._gap(self.best[None], self.asked.unscaled(self.origin - step)[None])
        by_t = float(ahead[0] - behind[0]) / (2 * step)
        normal = -constrained.slope(self._gap, self.best[None], v)[0] / by_t  # dt/du
        free, bread, half = sandwich(self.problem, self.best, self.fit.clusters)
        naive = float(normal[free] @ bread @ normal[free])
        rows, size = self.problem.rows, int(free.sum())
        robust = float(((normal[free] @ half) ** 2).sum()) * (rows - 1) / max(rows - size, 1)
        path = np.zeros_like(self.best)
        if not (naive > 0 and robust > 0):  # an exact fit, or a direction that isn't determined
            spread = max(1e-3 * abs(self.origin), 1e-6)
            return spread, path, max(2 * self.minimum / max(rows - size, 1), self.problem.floor)
        path[free] = bread @ normal[free] / naive
        return float(np.sqrt(robust)), path, robust / naive

    def _other_starts(self) -> Array:
        """Points away from the estimate, in case another basin is the lower one out there."""
        if self.problem.rows > _SEEDED_ROWS:
            return np.zeros((0, self.problem.size))
        data = (self.problem, self.coordinates, self.x, self.problem.loss)
        return starts(data, self.fit.fixed, count=_SEEDS)

    def _look(self, t: Array) -> None:
        """Solve at each t from every start there is; keep the best of each."""
        t = t[(t >= self.low) & (t <= self.high)]
        if t.size == 0:
            return
        many = [
            self.best + (t - self.origin)[:, None] * self.path,
            self._nearest(t),
            *(np.broadcast_to(u, (len(t), len(u))) for u in self.others),
        ]
        self._solve(t, many)

    def _draws(self) -> tuple[Array, Array]:
        """The fit's draws of the quantity, on its scale, and in the problem's coordinates."""
        if len(self.fit.draws) == 0:
            return np.zeros(0), np.zeros((0, self.problem.size))
        params = self.fit.params_draws()
        with np.errstate(all="ignore"):
            drawn = self.asked.scaled(self.asked.value(params))
            u = self.coordinates.encode(params)
        usable = np.isfinite(drawn) & np.isfinite(u).all(axis=1)
        return drawn[usable], u[usable]

    def _allowed(self) -> float:
        """How far the objective may rise; sets the scale where draws say."""
        z = float(ndtri(0.5 + 0.5 * self.level))
        if self.calibration == "bootstrap":
            # between solved values the root of the rise is nearly straight
            solved = np.isfinite(self.value)
            root = np.sqrt(np.maximum(self.value[solved] - self.minimum, 0.0))
            rises = np.interp(self.drawn, self.t[solved], root) ** 2
            self.scale = 2 * float(np.quantile(rises, self.level)) / z**2
        return 0.5 * self.scale * z * z

    def _nearest(self, t: Array) -> Array:
        """For each t the draw, or solved point, whose quantity is nearest."""
        pool = np.concatenate([self.u, self.drawn_u])
        at = np.concatenate([self.t, self.drawn])
        return np.asarray(pool[np.abs(at[None] - t[:, None]).argmin(axis=1)])

    def _solve(self, t: Array, many: list[Array]) -> None:
        times = len(many)
        found: Solutions = constrained.solve(
            self.problem,
            self._gap,
            np.tile(self.asked.unscaled(t), times),
            np.concatenate(many),
        )
        value = found.value.reshape(times, -1)
        best = value.argmin(axis=0)
        pick = best * len(t) + np.arange(len(t))
        self._keep(t, found.u[pick], found.value[pick])

    def _keep(self, t: Array, u: Array, value: Array) -> None:
        """Put solved points in order of t; of equal t the lower objective stays."""
        t = np.concatenate([self.t, t])
        value, u = np.concatenate([self.value, value]), np.concatenate([self.u, u])
        order = np.lexsort((value, t))
        first = np.concatenate([[True], np.diff(t[order]) > 0])
        keep = order[first]
        self.t, self.u, self.value = t[keep], u[keep], value[keep]

    def _neighbours(self) -> None:
        """Start each value from the solutions on either side, as long as that helps any."""
        for _ in range(4):
            before = self.value.copy()
            self._solve(self.t, [np.roll(self.u, 1, axis=0), np.roll(self.u, -1, axis=0)])
            with np.errstate(invalid="ignore"):  # what cannot be reached stays infinite
                gained = before - self.value
            if not (gained > _SAME * np.abs(self.minimum)).any():
                break

    def _inside(self) -> Any:
        # where enough draws run away the threshold is the very height of the profile's plateau
        return self.value - self.minimum <= self.allowed * (1 + _PLATEAU)

    def _end(self, side: float) -> tuple[End, float]:
        """How the interval ends on one side, and where."""
        limit = self.low if side < 0 else self.high
        while True:
            inside = self.t[self._inside()]
            last = float(inside.min() if side < 0 else inside.max())
            beyond = self.t[(self.t - last) * side > 0]
            if beyond.size:
                return self._cross(last, float(beyond.max() if side < 0 else beyond.min()))
            far = abs(last - self.origin)
            if last == limit or far >= _FARTHEST * self.error:
                bounded = last == limit and np.isfinite(self._natural(side))
                return ("bound" if bounded else "open"), last
            steps = max(far, self.error) * _FURTHER ** np.arange(1, 6)
            t = self.origin + side * steps
            self._look(np.unique(np.clip(t, self.low, self.high)))
            self._neighbours()

    def _natural(self, side: float) -> float:
        """The law's own limit on that side, on the quantity's scale."""
        edge = self.asked.lower if side < 0 else self.asked.upper
        if self.asked.log:
            return float(np.log(edge)) if edge > 0 else -np.inf
        return edge

    def _cross(self, inner: float, outer: float) -> tuple[End, float]:
        """Where the profile crosses the threshold between two solved values."""

        def excess(t: float) -> float:
            rise = max(float(self.value[np.searchsorted(self.t, t)]) - self.minimum, 0.0)
            return float(np.sqrt(rise) - np.sqrt(self.allowed))

        f_inner, f_outer = excess(inner), excess(outer)
        for _ in range(_REFINEMENTS):
            if abs(outer - inner) <= 1e-9 * max(self.error, abs(inner) * 1e-3):
                break
            share = f_inner / (f_inner - f_outer) if np.isfinite(f_outer) else 0.5
            t = inner + min(max(share, 0.02), 0.98) * (outer - inner)
            both = [self.u[np.searchsorted(self.t, v)][None] for v in (inner, outer)]
            self._solve(np.array([t]), both)
            here = excess(t)
            if abs(here) <= 1e-9 * np.sqrt(self.allowed):
                return "crossed", t
            if here < 0:
                inner, f_inner, f_outer = t, here, f_outer * 0.5
            else:
                outer, f_outer, f_inner = t, here, f_inner * 0.5
        return ("crossed" if np.isfinite(f_outer) else "bound"), inner

    def _curve(self, edges: tuple[float, float], points: int) -> Array:
        """Solve on an even grid a little wider than the interval; the t of the grid."""
        pad = _MARGIN * (edges[1] - edges[0])
        reach = max(edges[0] - pad, self.low), min(edges[1] + pad, self.high)
        grid = np.unique(np.append(np.linspace(*reach, points - 1), self.origin))
        at = np.clip(np.searchsorted(self.t, grid), 1, len(self.t) - 1)
        self._solve(grid, [self.u[at - 1], self.u[at]])
        solved = np.isfinite(self.value[np.searchsorted(self.t, grid)])
        return np.asarray(grid[solved])


def _rebuild(fit: Fit, asked: Quantity) -> tuple[Problem, Coordinates, dict[str, Array]]:
    """The problem that the fit solved."""
    if fit.objective.name not in _SMOOTH:
        raise InputError(
            f"objective {fit.objective}: a profile needs a smooth one ({', '.join(_SMOOTH)})"
        )
    if asked.name in fit.fixed:
        raise InputError(f"{asked.name} is fixed at {fit.fixed[asked.name]:g}: it has no profile")
    x = {name: fit.points[name] for name in fit.law.variables}
    problem, coordinates = build(
        fit.law,
        x,
        fit.points["loss"],
        fit.objective,
        fit.on,
        fit.fixed,
        bounds=fit.bounds,
        weights=fit.weights,
    )
    return problem, coordinates, x
