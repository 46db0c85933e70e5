"""How a fit was reached and what the data do not say, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from scaling.fit.build import Coordinates
from scaling.fit.draws import Sampled
from scaling.fit.engine_newton import held
from scaling.fit.problem import Array, Problem, Solutions
from scaling.fit.stages import fitted_scale
from scaling.laws.law import Law

_AGREE = 1e-9  # relative difference in objective within which two starts found the same minimum
_TRADE_OFF = 0.97  # correlation of draws
_ONE_RAY = 0.01  # spread of ln(D/N) below which D is proportional to N
_MOVES = 1e-9  # an exponent that no draw moves is held by a bound or the design, not by the data
_MIXED = 1.01  # R-hat above this says that chains have not mixed
_EFFECTIVE = 100  # effective draws of each chain that quantiles need
_DIVERGING = 0.01
_UNKNOWN = 1e300  # stands for what is infinite or no number: files hold numbers alone
_WEAK = 0.5  # 90 % interval of E as a part of the smallest loss


@dataclass(frozen=True)
class Chains:
    """How a posterior was sampled. r_hat: the largest split R-hat (Gelman & Rubin 1992). effective:
    the fewest effective draws. divergences: draws whose trajectory left the curvature behind.
    prior: what was believed before, in words, each a median and a 90 % interval."""

    chains: int
    steps: int
    r_hat: float
    effective: float
    divergences: int
    prior: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """Why these draws can't be trusted, in words; by Vehtari et al. 2021 (Bayesian Analysis
        16(2)), with a divergence in a hundred allowed."""
        found = []
        if not self.r_hat <= _MIXED:
            found.append(f"chains disagree (R-hat {self.r_hat:.3f}; at most {_MIXED} is trusted)")
        least = _EFFECTIVE * self.chains
        if not self.effective >= least:
            found.append(f"only {self.effective:.0f} effective draws; {least} are needed")
        if self.divergences > _DIVERGING * self.chains * self.steps:
            found.append(f"{self.divergences} of {self.chains * self.steps} draws diverged")
        return found

    def __str__(self) -> str:
        return (
            f"{self.chains} chains of {self.steps} draws by NUTS, R-hat at most {self.r_hat:.4f}, "
            f"at least {self.effective:.0f} effective draws, {self.divergences} divergences"
        )


@dataclass(frozen=True)
class Diagnostics:
    """Evidence that the estimate is the minimum, and which directions the data leave open.

    gradient_norm: largest component of the objective's gradient over free coordinates. multipliers:
    gradient at each coordinate held at its bound. condition: condition number of the Hessian,
    coordinates scaled to unit curvature. other_minima: objective values of other basins that starts
    ended in. scale: of the residuals, where the objective fits one. chains: of a posterior.
    1e300 stands for a gradient or condition number that is infinite, or that derivatives which are
    no numbers leave open.
    """

    gradient_norm: float
    multipliers: dict[str, float]
    condition: float
    starts: int
    starts_agreeing: int
    other_minima: tuple[float, ...]
    draws_converged: float
    weak: tuple[str, ...]
    scale: float | None = None
    chains: Chains | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Diagnostics:
        chains = data.get("chains")
        own = {
            "other_minima": tuple(data["other_minima"]),
            "weak": tuple(data["weak"]),
            "chains": Chains(**{**chains, "prior": tuple(chains["prior"])}) if chains else None,
        }
        return cls(**{**data, **own})


def diagnose(
    problem: Problem,
    polished: Solutions,
    u: Array,
    draws_converged: float,
    weak: tuple[str, ...],
    chains: Chains | None = None,
) -> Diagnostics:
    """Diagnostics at the estimate u [p], given every start's end."""
    with np.errstate(all="ignore"):  # derivatives may overflow; `derivative_warnings` says so
        here = problem.local(u[None], problem.weights[None])
    frozen = held(problem, u[None], here.gradient)[0]
    gradient = np.nan_to_num(here.gradient[0], nan=_UNKNOWN, posinf=_UNKNOWN, neginf=-_UNKNOWN)
    best = float(here.value[0])
    slack = _AGREE * best + problem.floor
    agreeing = polished.value <= best + slack
    others = np.unique(
        np.array([f"{v:.6g}" for v in polished.value[~agreeing & polished.converged]])
    )
    return Diagnostics(
        gradient_norm=float(np.abs(gradient[~frozen]).max(initial=0.0)),
        multipliers={problem.names[i]: float(gradient[i]) for i in np.flatnonzero(frozen)},
        condition=_condition(here.hessian[0][~frozen][:, ~frozen]),
        starts=len(polished.value),
        starts_agreeing=int(agreeing.sum()),
        other_minima=tuple(sorted(float(v) for v in others)),
        draws_converged=draws_converged,
        weak=weak,
        scale=fitted_scale(problem, u),
        chains=chains,
    )


def _condition(hessian: Array) -> float:
    if len(hessian) == 0:
        return 1.0
    if not np.isfinite(hessian).all():
        return _UNKNOWN
    scale = np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    values = np.linalg.eigvalsh(hessian / scale[:, None] / scale)
    with np.errstate(over="ignore"):  # a direction without any curvature
        return float(min(values.max() / max(values.min(), 1e-300), _UNKNOWN))


def design_warnings(x: Mapping[str, Array], loss: Array) -> list[str]:
    """What the choice of runs alone makes impossible to learn."""
    found = [
        f"{name} is the same on all rows: its exponent is not identified"
        for name, values in x.items()
        if np.ptp(values) < 1e-9 * np.abs(values).max()
    ]
    if np.ptp(loss) == 0:
        found.append("the loss is the same on all rows: no exponent is identified")
    if not found and {"N", "D"} <= set(x) and np.ptp(np.log(x["D"] / x["N"])) < _ONE_RAY:
        found.append(
            "D is proportional to N on all rows (one ray): the exponents and amplitudes of N and D "
            "are not identified separately"
        )
    return found


def draw_warnings(sampled: Sampled, n_clusters: int, cluster_by: str, size: int) -> list[str]:
    """What makes intervals from these draws rough."""
    found = []
    if len(sampled.u) and sampled.kind in ("cluster", "wild") and n_clusters < 2 * size:
        found.append(
            f"{n_clusters} clusters (by {cluster_by}) are few for {size} parameters: "
            "bootstrap intervals are rough"
        )
    if sampled.converged < 0.99:
        found.append(f"{100 * (1 - sampled.converged):.1f} % of bootstrap refits did not converge")
    return found


def derivative_warnings(problem: Problem, u: Array) -> list[str]:
    """Whether the objective has derivatives at the estimate u [p], which all diagnostics need."""
    with np.errstate(all="ignore"):
        here = problem.local(u[None], problem.weights[None])
    if np.isfinite(here.gradient).all() and np.isfinite(here.hessian).all():
        return []
    return ["derivatives at the estimate are not finite: whether it is a minimum is not known"]


def bound_warnings(problem: Problem, coordinates: Coordinates, u: Array) -> list[str]:
    """Coordinates that ended at the edge of their box, in words."""
    found = []
    for i, full in enumerate(problem.names):
        name = full.partition("[")[0]
        edge = u[i] <= problem.lower[i] or u[i] >= problem.upper[i]
        if not edge:
            continue
        if name in coordinates.intercepts():
            size = "nothing" if u[i] <= problem.lower[i] else "everything"
            found.append(f"the term of {full} went to {size}: the data do not determine it")
        else:
            bound = problem.lower[i] if u[i] <= problem.lower[i] else problem.upper[i]
            found.append(f"{full} ended at its bound {_natural(coordinates, name, bound):g}")
    return found


def _natural(coordinates: Coordinates, name: str, value: float) -> float:
    return float(np.exp(value)) if coordinates.kind(name).scale == "log" else float(value)


def weak_directions(law: Law, draws: Array, smallest_loss: float) -> tuple[str, ...]:
    """Which parameters the draws [n, params] show to be open or to trade off, in words."""
    if len(draws) < 50:
        return ()
    names = list(law.params)
    found = []
    if "E" in names:
        low, high = np.quantile(draws[:, names.index("E")], [0.05, 0.95])
        if high - low > _WEAK * smallest_loss:
            found.append(
                f"E is hardly identified: its 90 % interval runs from {low:.3g} to {high:.3g}; "
                "longer runs of larger models would pin it"
            )
    with np.errstate(all="ignore"):
        logs = [law.params[name].scale == "log" for name in names]
        scaled = np.where(logs, np.log(np.maximum(draws, 1e-300)), draws)
        # a fixed parameter has no spread but rounding's, which would correlate perfectly
        still = np.ptp(scaled, axis=0) <= 1e-12 * np.abs(scaled).max(axis=0)
        scaled = np.where(still, np.nan, scaled)
        correlation = np.corrcoef(scaled, rowvar=False)
    pairs = [
        f"{names[i]} and {names[j]} trade off (correlation {correlation[i, j]:.3f})"
        for i, j in combinations(range(len(names)), 2)
        if np.isfinite(correlation[i, j]) and abs(correlation[i, j]) > _TRADE_OFF
    ]
    if pairs and law.exponents is not None:
        a, _ = law.exponents(dict(zip(names, draws.T, strict=True)))
        low, high = np.quantile(np.broadcast_to(a, len(draws)), [0.05, 0.95])
        if high - low > _MOVES:
            pairs.append(f"the exponent a of N_opt ~ C^a is known to +-{(high - low) / 2:.2g}")
    return (*found, *pairs)
