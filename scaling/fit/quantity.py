"""What can be asked of a fit by name: a parameter, an exponent, an optimum at C, a loss at a point.

`value` reads it off parameters. `gap` is an analytic function of the parameters that vanishes where
the quantity has a given value, which is what holding it there needs: N_opt by bisection cannot be
differentiated, the condition that N is optimal can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit.prediction import Array, optimal_n
from scaling.laws.law import Law, Values

_STEP = 1e-3  # of ln N: a five-point stencil's error is about 1e-13 there
_REACH = np.log(1e6)  # how far from its estimate a quantity on a log scale is followed


@dataclass(frozen=True, eq=False)
class Quantity:
    """A number that a fit determines.

    at: where ({"C": 1e24}). log: whether its natural scale is the logarithm. lower, upper: values
    that the law allows. value: params (each [b]) -> [b]. gap: (params, values) -> 0 where the
    quantity has that value; analytic in both.
    """

    name: str
    value: Callable[[Values], Array]
    gap: Callable[[Values, Any], Any]
    log: bool
    lower: float
    upper: float
    at: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """As it is asked for: `alpha`, `N_opt@1e+24`, `loss@N=7e+10,D=1.4e+12`."""
        return label(self.name, self.at)

    def scaled(self, values: Any) -> Array:
        """Values on the quantity's own scale."""
        return np.asarray(np.log(values) if self.log else values, dtype=float)

    def unscaled(self, t: Any) -> Array:
        return np.asarray(np.exp(t) if self.log else t, dtype=float)

    def limits(self, estimate: float) -> tuple[float, float]:
        """How far it is followed from its estimate, on its own scale."""
        low, high = self.lower, self.upper
        if not self.log:
            return low, high
        t = float(np.log(estimate))
        return (
            max(t - _REACH, np.log(low) if low > 0 else -np.inf),
            min(t + _REACH, float(np.log(high))),
        )


def label(name: str, at: Mapping[str, float]) -> str:
    if not at:
        return name
    if tuple(at) == ("C",):
        return f"{name}@{at['C']:g}"
    return f"{name}@" + ",".join(f"{k}={v:g}" for k, v in at.items())


def quantity(law: Law, cost: Cost, name: str, at: Mapping[str, float]) -> Quantity:
    """The quantity of that name: a parameter, `a`, `b`, `N_opt` or `D_opt` (at C), or `loss` (at
    every variable of the law).

    Raises InputError for another name, a law without it, or values of `at` that do not fit.
    """
    makers: dict[str, Callable[[], Quantity]] = {
        **{p: partial(_parameter, law, p) for p in law.params},
        "loss": partial(_loss, law, at),
    }
    if law.exponents is not None:
        makers |= {e: partial(_exponent, law, e) for e in ("a", "b") if e not in makers}
    if {"N", "D"} == set(law.variables):
        makers |= {o: partial(_optimum, law, cost, o, at) for o in ("N_opt", "D_opt")}
    if name not in makers:
        raise InputError(f"law {law.name} has no quantity {name}; it has {', '.join(makers)}")
    wanted = {"N_opt": {"C"}, "D_opt": {"C"}, "loss": set(law.variables)}.get(name, set())
    if set(at) != wanted:
        asks = f"needs {', '.join(sorted(wanted))}" if wanted else "takes no point"
        given = ", ".join(at) or "nothing"
        raise InputError(f"{name} {asks}; given: {given}")
    for key, number in at.items():
        if not (np.isfinite(number) and number > 0):
            raise InputError(f"{name}: {key} = {number}; must be a finite number above 0")
    return makers[name]()


def _parameter(law: Law, name: str) -> Quantity:
    kind = law.params[name]
    log = kind.scale == "log"

    def gap(p: Values, v: Any) -> Any:
        return np.log(p[name]) - np.log(v) if log else p[name] - v

    return Quantity(
        name, lambda p: np.asarray(p[name], float), gap, log, max(kind.lower, 0.0) if log
        else kind.lower, kind.upper,
    )  # fmt: skip


def _exponent(law: Law, name: str) -> Quantity:
    which = ("a", "b").index(name)
    assert law.exponents is not None
    exponents = law.exponents
    return Quantity(
        name,
        lambda p: np.asarray(exponents(p)[which], float),
        lambda p, v: exponents(p)[which] - v,
        False,
        0.0,
        1.0,
    )


def _optimum(law: Law, cost: Cost, name: str, at: Mapping[str, float]) -> Quantity:
    C = at["C"]

    def value(p: Values) -> Array:
        N = optimal_n(law, p, C, cost)
        return N if name == "N_opt" else cost.tokens(C, N)

    def gap(p: Values, v: Any) -> Any:
        """d ln L / d ln N along the budget, at the N that v means."""
        n = v if name == "N_opt" else cost.params(C / v)
        if law.optimum is not None and cost.kind == "6ND":
            return np.log(law.optimum(C, p)) - np.log(n)

        def height(step: float) -> Any:
            N = n * np.exp(step)
            return np.log(law.predict(N=N, D=cost.tokens(C, N), **p))

        near, far = height(_STEP) - height(-_STEP), height(2 * _STEP) - height(-2 * _STEP)
        return (8 * near - far) / (12 * _STEP)

    return Quantity(name, value, gap, True, 0.0, np.inf, at)


def _loss(law: Law, at: Mapping[str, float]) -> Quantity:
    return Quantity(
        "loss",
        lambda p: np.asarray(law.predict(**at, **p), float),
        lambda p, v: np.log(law.predict(**at, **p)) - np.log(v),
        True,
        0.0,
        np.inf,
        at,
    )
