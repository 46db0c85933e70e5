"""The Fit value: a law with its estimate, how it was reached, and draws around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling import laws
from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.diagnose import Diagnostics
from scaling.fit.draws import Kind
from scaling.fit.objective import Objective
from scaling.fit.prediction import Draws, Optimum, of_n_and_d, optimum_of
from scaling.fit.problem import Array, Index, Scale
from scaling.laws.formula import law_of
from scaling.laws.law import Law

_FORMAT = 2


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted law. Never mutated; prints as a summary; round-trips through JSON.

    params: the estimate by name. value: the objective there. status: "converged" or what is wrong,
    then warnings. draws [n_draws, n_params]: bootstrap estimates, columns in the order of `params`.
    points: the fitted rows' variables and `loss`, each [n_rows]; weights and clusters [n_rows] are
    what they weigh and which are drawn together. bounds: ranges asked for. residuals [n_rows]:
    observed minus fitted on the scale `on`, so that positive is worse than the law. n_column: the
    column that N stands for. c_min, c_max: compute of the least and the largest run fitted, by
    `cost`.
    """

    law: Law
    params: dict[str, float]
    objective: Objective
    on: Scale
    value: float
    converged: bool
    status: str
    engine: str
    seed: int
    kind: Kind
    fixed: dict[str, float]
    n_clusters: int
    cluster_by: str
    draws: Array
    points: dict[str, Array]
    weights: Array
    clusters: Index
    bounds: dict[str, tuple[float, float]]
    residuals: Array
    diagnostics: Diagnostics
    conventions: dict[str, str]
    n_column: str
    cost: Cost
    c_min: float
    c_max: float
    left_out: tuple[str, ...]
    source: str

    @property
    def n_rows(self) -> int:
        return len(self.residuals)

    @property
    def bare(self) -> Fit:
        """The same point without draws, which searches need not carry along."""
        return replace(self, draws=self.draws[:0])

    def params_draws(self) -> dict[str, Array]:
        """The draws by parameter name, each [n_draws]."""
        return dict(zip(self.params, self.draws.T, strict=True))

    def standard_errors(self) -> dict[str, float]:
        """Standard deviation of each parameter's draws; NaN without draws."""
        if len(self.draws) < 2:
            return dict.fromkeys(self.params, float("nan"))
        with np.errstate(over="ignore"):  # the square of a runaway amplitude: infinite is right
            errors = self.draws.std(axis=0, ddof=1)
        return dict(zip(self.params, errors.tolist(), strict=True))

    def interval(self, name: str, level: float = 0.90) -> tuple[float, float]:
        """The central interval of a parameter's draws, or of the exponent "a" or "b"."""
        values = self.exponents() if name in ("a", "b") and name not in self.params else None
        draws = (
            Draws(np.array(self.params[name]), self.params_draws()[name])
            if values is None
            else values[name]
        )
        low, high = draws.interval(level)
        return float(low), float(high)

    def exponents(self) -> dict[str, Draws]:
        """`a` and `b` of N_opt ~ C^a, D_opt ~ C^b under 6ND; empty for laws without an optimum."""
        if self.law.exponents is None:
            return {}
        point, draws = self.law.exponents(self.params), self.law.exponents(self.params_draws())
        n = len(self.draws)
        return {
            name: Draws(
                np.asarray(point[i], float), np.broadcast_to(np.asarray(draws[i], float), n)
            )
            for i, name in enumerate(("a", "b"))
        }

    def predict(self, **variables: ArrayLike) -> Array:
        """The law's loss at the point estimate, broadcasting over the variables."""
        wanted = {name: np.asarray(variables[name], float) for name in self.law.variables}
        return np.asarray(self.law.predict(**wanted, **self.params), dtype=float)

    def loss(
        self,
        N: ArrayLike,
        D: ArrayLike,
        *,
        noise: bool = False,
        held: Mapping[str, ArrayLike] | None = None,
    ) -> Draws:
        """Loss in nats at N, D (broadcast to [...]): point [...], draws [n_draws, ...].

        held: values of the law's further variables. With `noise` each draw also gets a residual of
        the fit at random, widened for the parameters spent: then the draws are of one new run's
        loss, not of the law's mean.
        """
        x = of_n_and_d(self.law, N, D, held)
        shape = np.broadcast_shapes(*map(np.shape, (N, D, *x.values())))
        column = {k: v.reshape((-1,) + (1,) * len(shape)) for k, v in self.params_draws().items()}
        draws = np.asarray(self.law.predict(**x, **column), dtype=float)
        if noise and len(draws):
            draws = self.with_noise(draws)
        return Draws(self.predict(**x), np.broadcast_to(draws, (len(self.draws), *shape)))

    def with_noise(self, draws: Array, stream: int = 1) -> Array:
        """What the law says in each draw [n_draws, ...], each with a residual of the fit at random,
        widened for the parameters spent. stream: tells the noise of several fits apart."""
        error = self.noise(draws.shape, stream)
        return np.asarray(draws * np.exp(error) if self.on == "log_loss" else draws + error)

    def noise(self, shape: tuple[int, ...], stream: int = 1) -> Array:
        """Residuals at random, on the scale `on`, widened for the parameters spent."""
        free = len(self.params) - len(self.fixed)
        spread = np.sqrt(self.n_rows / max(self.n_rows - free, 1))
        pick = np.random.default_rng([self.seed, stream]).integers(self.n_rows, size=shape)
        return np.asarray(spread * self.residuals[pick])

    def optimum(self, C: ArrayLike) -> Optimum:
        """Compute-optimal N, D and loss at C training FLOPs [...], in the convention of `cost`."""
        return optimum_of(self.law, self.params, self.params_draws(), C, self.cost)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `intervals` and `exponents` are there for readers, not for loading."""
        exponents = self.exponents()
        return {
            "format": _FORMAT,
            "law": self.law.name,
            "formula": self.law.formula,
            "params": self.params,
            "standard_errors": _finite(self.standard_errors()),
            "intervals": {name: list(self.interval(name)) for name in (*self.params, *exponents)},
            "exponents": {name: float(d.point) for name, d in exponents.items()},
            "objective": self.value,
            "penalty": {**asdict(self.objective), "on": self.on},
            "status": self.status,
            "converged": self.converged,
            "engine": self.engine,
            "seed": self.seed,
            "draws_kind": self.kind,
            "fixed": self.fixed,
            "n_rows": self.n_rows,
            "n_clusters": self.n_clusters,
            "cluster_by": self.cluster_by,
            "n_column": self.n_column,
            "conventions": self.conventions,
            "cost": self.cost.to_dict(),
            "c_min": self.c_min,
            "c_max": self.c_max,
            "left_out": list(self.left_out),
            "source": self.source,
            "diagnostics": self.diagnostics.to_dict(),
            "residuals": self.residuals.tolist(),
            "points": {name: values.tolist() for name, values in self.points.items()},
            "weights": self.weights.tolist(),
            "clusters": self.clusters.tolist(),
            "bounds": {name: _open(pair) for name, pair in self.bounds.items()},
            "draws": self.draws.tolist(),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], law: Law | None = None) -> Fit:
        """The inverse of `to_dict`; `law` is needed for one that isn't in the registry."""
        if data.get("format") != _FORMAT:
            raise InputError(f"not a saved fit: format is {data.get('format')!r}, not {_FORMAT}")
        try:
            penalty = data["penalty"]
            names = list(data["params"])
            return cls(
                law=law or _law(data),
                params=dict(data["params"]),
                objective=Objective(**{k: v for k, v in penalty.items() if k != "on"}),
                on=penalty["on"],
                kind=data.get("draws_kind", "cluster"),
                value=data["objective"],
                draws=np.array(data["draws"], dtype=float).reshape(-1, len(names)),
                points={name: np.array(v, dtype=float) for name, v in data["points"].items()},
                weights=np.array(data["weights"], dtype=float),
                clusters=np.array(data["clusters"], dtype=np.intp),
                bounds={name: _limits(pair) for name, pair in data["bounds"].items()},
                residuals=np.array(data["residuals"], dtype=float),
                diagnostics=Diagnostics.from_dict(data["diagnostics"]),
                cost=Cost.from_dict(data["cost"]),
                left_out=tuple(data["left_out"]),
                **{name: data[name] for name in _PLAIN},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"not a saved fit: {type(error).__name__} {error}") from error

    @classmethod
    def from_json(cls, text: str, law: Law | None = None) -> Fit:
        """The inverse of `to_json`. Raises InputError for text that is no saved fit."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"not a saved fit: line {error.lineno}: {error.msg}") from error
        if not isinstance(data, dict):
            raise InputError("not a saved fit: a JSON object is needed")
        return cls.from_dict(data, law)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fit) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it compares by value and holds arrays

    def __str__(self) -> str:
        from scaling.fit.summary import summary  # it reads a Fit, so it comes after it

        return summary(self)

    def _repr_html_(self) -> str:
        from scaling.fit.card import fit_card  # it reads a Fit, so it comes after it

        return fit_card(self)


@dataclass(frozen=True, eq=False)
class GroupFit:
    """One law over several groups of rows: a Fit of each, from one joint problem.

    by: the column that groups. share: the parameters that all groups have in common.
    """

    by: str
    share: tuple[str, ...]
    fits: dict[str, Fit]

    def __getitem__(self, group: str) -> Fit:
        return self.fits[group]

    @property
    def value(self) -> float:
        """The joint objective."""
        return next(iter(self.fits.values())).value

    @property
    def status(self) -> str:
        return next(iter(self.fits.values())).status

    def to_dict(self) -> dict[str, Any]:
        return {
            "by": self.by,
            "share": list(self.share),
            "groups": {name: fit.to_dict() for name, fit in self.fits.items()},
        }

    def __str__(self) -> str:
        return "\n\n".join(f"{self.by} = {name}\n{fit}" for name, fit in self.fits.items())

    def _repr_html_(self) -> str:
        from scaling.fit.card import groups_card  # as above

        return groups_card(self)


_PLAIN = (
    "converged",
    "status",
    "engine",
    "seed",
    "fixed",
    "n_clusters",
    "cluster_by",
    "n_column",
    "conventions",
    "c_min",
    "c_max",
    "source",
)


def _law(data: Mapping[str, Any]) -> Law:
    """A law by its name, or by its formula where that is its name."""
    if data["law"] != data["formula"]:
        return laws.get(data["law"])
    return law_of(data["formula"], {k: np.array(v) for k, v in data["points"].items()})


def _open(pair: tuple[float, float]) -> list[float | None]:
    """A range in JSON, which has no infinity."""
    return [v if np.isfinite(v) else None for v in pair]


def _limits(pair: list[float | None]) -> tuple[float, float]:
    low, high = pair
    return -np.inf if low is None else low, np.inf if high is None else high


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: v if np.isfinite(v) else None for name, v in values.items()}
