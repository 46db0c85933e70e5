"""Profile likelihood: how far a quantity can go before the data object.

The objective is minimised again with the quantity held at each of many values. Where it rises by
more than a threshold the value is rejected; the values that are left are the interval, as lopsided
or as open as the data make it, where a standard error would pretend to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np

from scaling.errors import InputError
from scaling.fit.prediction import Draws
from scaling.fit.problem import Array
from scaling.fit.profile_search import Calibration, End, Found, Search
from scaling.fit.quantity import Quantity, label, quantity
from scaling.fit.result import Fit

_DRAWS = 100  # that a calibration needs
_SAME = 1e-9  # relative difference in objective that is rounding


@dataclass(frozen=True, eq=False)
class Profile:
    """The profile of one quantity of a fit, and its interval. Round-trips through JSON.

    quantity, at: what and where. values, objective [n]: the held values in order, the estimate
    among them, and the least objective at each. minimum: the least of all. threshold: the objective
    up to which values are in the interval of `level`. scale: what twice the rise of the objective
    is divided by to be chi-squared with one degree of freedom, `calibration` says by what. low,
    high: the interval, infinite where it is open. ends: "crossed", "bound" (the law allows no
    further) or "open" (the objective never rises so far). log: whether the natural scale is the
    logarithm.
    """

    law: str
    quantity: str
    at: dict[str, float]
    log: bool
    estimate: float
    level: float
    low: float
    high: float
    ends: tuple[End, End]
    values: Array
    objective: Array
    minimum: float
    threshold: float
    scale: float
    calibration: Calibration
    status: str

    @property
    def label(self) -> str:
        return label(self.quantity, self.at)

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high

    def z(self) -> Array:
        """Signed root of the scaled likelihood ratio at each value: a standard normal score."""
        rise = np.maximum(self.objective - self.minimum, 0.0)
        at = self.values[int(np.argmin(self.objective))]
        return np.asarray(np.sign(self.values - at) * np.sqrt(2 * rise / self.scale))

    def draws(self, count: int, seed: int = 0) -> Draws:
        """Draws of the quantity whose score is standard normal: the profile as a distribution.

        Scores beyond the values that were looked at are cut there.
        """
        z = np.maximum.accumulate(self.z())
        t = np.log(self.values) if self.log else self.values
        drawn = np.interp(np.random.default_rng(seed).normal(size=count), z, t)
        return Draws(np.array(self.estimate), np.exp(drawn) if self.log else drawn)

    def to_dict(self) -> dict[str, Any]:
        data = asdict(self)
        return {
            **data,
            "ends": list(self.ends),
            "low": self.low if np.isfinite(self.low) else None,
            "high": self.high if np.isfinite(self.high) else None,
            "values": self.values.tolist(),
            "objective": self.objective.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Profile:
        """The inverse of `to_dict`. Raises InputError for what is no profile."""
        try:
            low, high = data["low"], data["high"]
            return cls(
                **{
                    **data,
                    "at": dict(data["at"]),
                    "low": -np.inf if low is None else low,
                    "high": np.inf if high is None else high,
                    "ends": _ends(data["ends"]),
                    "values": np.array(data["values"], dtype=float),
                    "objective": np.array(data["objective"], dtype=float),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a profile: {type(error).__name__} {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it compares by value and holds arrays

    def __str__(self) -> str:
        return f"{self.label} = {self.estimate:.6g}, {self.words()}"

    def words(self) -> str:
        """The interval in words, open ends named."""
        low = "unbounded below" if self.ends[0] == "open" else f"{self.low:.6g}"
        high = "unbounded above" if self.ends[1] == "open" else f"{self.high:.6g}"
        marks = [
            f"{side} end is where the law stops"
            for side, end in zip(("lower", "upper"), self.ends, strict=True)
            if end == "bound"
        ]
        return f"{low} to {high}" + (f" ({', '.join(marks)})" if marks else "")


def profile(
    fit: Fit,
    name: str,
    at: Mapping[str, float] | None = None,
    *,
    level: float = 0.90,
    points: int = 41,
    calibration: Calibration | None = None,
) -> Profile:
    """Profile likelihood of a quantity of `fit`, and its interval at `level`.

    name: a parameter, "a", "b", "N_opt" or "D_opt" (at {"C": ...}), or "loss" (at {"N": ...,
    "D": ...}, the law's variables). points: values on the curve that is returned.

    The threshold is a likelihood ratio's: the objective may rise by k z^2 / 2 over its minimum, z
    the normal quantile. A penalty is no likelihood until its scale k is known, and rows of a
    cluster are not independent; so k comes from one of two places. "bootstrap" (the default with
    100 draws): the rise that `level` of the fit's draws stay under. "sandwich": the
    quantity's variance by the cluster-robust sandwich over its variance by the inverse Hessian
    (Kent 1982, Biometrika 69; Chandler & Bate 2007, Biometrika 94), for least squares with
    independent rows the residual variance. It needs no draws, but reads the Hessian at one point,
    which for a narrow Huber penalty few rows decide. Either way the size of the interval comes from
    the spread of the residuals and its shape from the objective; few clusters make it rough.

    Raises InputError for a quantity that the law doesn't have or that is fixed, for an objective
    with a kink or a fitted scale, and for one group's part of a fit over groups.
    """
    if not 0 < level < 1:
        raise InputError(f"level = {level}; must lie between 0 and 1")
    if points < 3:
        raise InputError(f"points = {points}; a profile needs at least 3")
    if calibration is None:
        calibration = "bootstrap" if len(fit.draws) >= _DRAWS else "sandwich"
    if calibration not in get_args(Calibration):
        valid = ", ".join(get_args(Calibration))
        raise InputError(f"calibration {calibration!r}; valid: {valid}")
    if calibration == "bootstrap" and len(fit.draws) < _DRAWS:
        raise InputError(
            f"{len(fit.draws)} draws; a calibration by bootstrap needs at least {_DRAWS}"
        )
    asked = quantity(fit.law, fit.cost, name, at or {})
    if name in fit.bounds:
        low, high = fit.bounds[name]
        asked = replace(asked, lower=max(low, asked.lower), upper=min(high, asked.upper))
    search = Search(fit, asked, level, calibration)
    found = search.run(points)
    edges = [
        side * np.inf if end == "open" else float(asked.unscaled(t))
        for side, (end, t) in ((-1, found.below), (1, found.above))
    ]
    return Profile(
        law=fit.law.name,
        quantity=asked.name,
        at=dict(asked.at),
        log=asked.log,
        estimate=search.estimate,
        level=level,
        low=edges[0],
        high=edges[1],
        ends=(found.below[0], found.above[0]),
        values=asked.unscaled(found.t),
        objective=found.value,
        minimum=found.minimum,
        threshold=found.minimum + found.allowed,
        scale=found.scale,
        calibration=calibration,
        status=_status(fit, asked, found, search.problem.floor),
    )


def _status(fit: Fit, asked: Quantity, found: Found, rounding: float) -> str:
    if found.minimum >= fit.value * (1 - _SAME) - rounding:
        return "converged"
    at = float(asked.unscaled(found.t[int(found.value.argmin())]))
    return (
        f"a lower objective ({found.minimum:.12g}) than the fit's ({fit.value:.12g}) was found "
        f"near {asked.label} = {at:.6g}: the fit is a local minimum"
    )


def _ends(values: Any) -> tuple[End, End]:
    low, high = values
    for end in (low, high):
        if end not in get_args(End):
            raise ValueError(f"end {end!r}")
    return low, high
