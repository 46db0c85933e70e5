"""What a scaling law is: a value that names a formula, its parameters and how to fit them.

A law is a function and its parameters' kinds; three lines suffice:

>>> hestness = Law(
...     name="hestness", formula="A N^-alpha + E",
...     predict=lambda N, *, A, alpha, E: A / N**alpha + E,
...     params=dict(A=log(), alpha=exponent(), E=positive()), variables=("N",), linear=("A", "E"))
>>> float(hestness.predict(1e6, A=10.0, alpha=0.5, E=1.0))
1.01

`form` and `seeds` make fits of a law faster; laws without them are differentiated and started
generically (`scaling.laws.generic`), and the battery of tests holds one against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = Mapping[str, Any]  # parameter or variable name -> number or array


@dataclass(frozen=True)
class Param:
    """A parameter's natural bounds, the scale it is fitted on, and values to start from.

    along: the variable on which the parameter is a place, such as a break; the grid is then in
    standard deviations of the variable's logarithm, from its mean.
    """

    lower: float
    upper: float
    scale: Literal["linear", "log"] = "linear"
    grid: tuple[float, ...] = ()
    along: str = ""


def positive(upper: float = np.inf) -> Param:
    """A number of at least 0 that may well be 0, such as E: fitted as it is."""
    return Param(0.0, upper)


def log(grid: tuple[float, ...] = ()) -> Param:
    """An amplitude above 0 that can span decades, such as A: fitted as its logarithm."""
    return Param(0.0, np.inf, "log", grid)


def exponent(upper: float = 2.0, lower: float = 1e-4) -> Param:
    """A power's exponent; the grid of starts runs from .03 to three quarters of `upper`."""
    grid = np.geomspace(0.03, 0.75 * upper, 16)
    return Param(lower, upper, "linear", tuple(grid.tolist()))


def unit() -> Param:
    """A number in [0, 1]."""
    return Param(0.0, 1.0, "linear", tuple(np.linspace(0.05, 0.95, 10).tolist()))


def place(variable: str) -> Param:
    """A place on a variable, in its units: where a curve bends."""
    return Param(0.0, np.inf, "log", (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5), variable)


def free(grid: tuple[float, ...] = (0.0,)) -> Param:
    """Any real number."""
    return Param(-np.inf, np.inf, "linear", grid)


@dataclass(frozen=True)
class Jet:
    """ln L (or L) and its first and second derivatives by a form's inner variables.

    Arrays share one shape; `hessian[j, k]` is given for j <= k, and absent where it is zero.
    """

    value: Array
    gradient: tuple[Array, ...]
    hessian: Mapping[tuple[int, int], Array]


@dataclass(frozen=True)
class Feature:
    """An inner variable of a form: `intercept - slope * ln variable`, or a coordinate by itself.

    A variable without a slope has slope 1. Fits centre ln variable, which takes the notorious
    collinearity of A and alpha away.
    """

    intercept: str
    slope: str | None = None
    variable: str | None = None


@dataclass(frozen=True)
class Form:
    """ln L (or L, where `plain`) as a smooth function of a few inner variables that are affine in
    the coordinates.

    Most laws of the field are of this kind (sums of power laws, maxima and powers of them), and it
    makes exact second derivatives cheap: `core` differentiates by its inner variables only.
    Coordinates are the parameters (or their logs, by `Param.scale`) unless `encode`/`decode` say
    otherwise; `coordinates` then gives the bounds of those that are no parameters. level: the
    value of `core` alone, where that is much cheaper.
    """

    features: tuple[Feature, ...]
    core: Callable[[tuple[Array, ...]], Jet]
    plain: bool = False
    coordinates: Mapping[str, Param] = field(default_factory=dict)
    encode: Callable[[Values], dict[str, Any]] = dict
    decode: Callable[[Values], dict[str, Any]] = dict
    level: Callable[[tuple[Array, ...]], Array] | None = None


@dataclass(frozen=True)
class Linear:
    """Inner linear problem at given outer values: `basis @ coefficients ~ target`, all >= 0.

    basis [..., n, m]; target and scale broadcast to [..., n]: (basis @ c - target) / scale is the
    relative error of the loss to first order.
    """

    basis: Array
    target: Array
    scale: Array


@dataclass(frozen=True)
class Seeds:
    """How to start a fit: a grid over a few outer parameters, the rest linear given them.

    `outer(x, loss)` gives the grid; `linearise(x, loss, outer)` the inner problem at outer values
    of shape [..., 1]; `assemble(outer, coefficients[..., m])` the parameters.
    """

    outer: Callable[[Values, Array], dict[str, Array]]
    linearise: Callable[[Values, Array, Values], Linear]
    assemble: Callable[[Values, Array], dict[str, Any]]


@dataclass(frozen=True)
class Law:
    """A scaling law: loss as a function of variables and parameters.

    predict: `predict(**variables, **params)`, broadcasting; analytic in each argument (no `abs`),
    so that complex steps differentiate it. linear: parameters in which it is linear given the
    others. exponents: params -> (a, b) with N_opt ~ C^a, D_opt ~ C^b under C = 6ND. optimum: (C,
    params) -> N_opt under C = 6ND, where a closed form exists. reference: the paper, and equation.
    meaning: what symbols stand for, where it isn't the field's usual (`laws.symbols`). response:
    the column that is predicted, "loss" for most. zero: variables that may be 0. ranges: where a
    variable usually lies, in the law's units, where it isn't the usual of its name
    (`laws.symbols`). own_units: variables whose unit the law fixes; the parameters take up a
    change of unit of any other. open_directions: why runs over `ranges` leave some parameters open
    though they settle every prediction; empty where they settle both.
    """

    name: str
    formula: str
    predict: Callable[..., Any]
    params: Mapping[str, Param]
    variables: tuple[str, ...] = ("N", "D")
    linear: tuple[str, ...] = ()
    reference: str = ""
    meaning: Mapping[str, str] = field(default_factory=dict)
    response: str = "loss"
    zero: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    own_units: tuple[str, ...] = ()
    open_directions: str = ""
    form: Form | None = None
    seeds: Seeds | None = None
    exponents: Callable[[Values], tuple[Any, Any]] | None = None
    optimum: Callable[[Any, Values], Any] | None = None

    def __post_init__(self) -> None:
        unknown = set(self.linear) - set(self.params)
        if unknown:
            raise ValueError(f"law {self.name}: linear names {sorted(unknown)} are no parameters")

    def __str__(self) -> str:
        return f"{self.name}: L = {self.formula}"


@dataclass(frozen=True)
class Published:
    """Parameters that a paper printed: a law that forecasts without data.

    name: author and year, with what tells several apart ("gadre2024_c4"). law: the Law's name.
    params: every parameter, in the law's units and names. reference: paper and table, equation or
    file. read: where these digits were read ("arXiv:2203.15556, eq. 10" or "released code, FILE");
    values that nobody read are not shipped. note: conventions of N, C and L, and known faults.
    n_kind: which parameters N counts there. ranges: of variables in the data behind them, as far
    as they are known.
    """

    name: str
    law: str
    params: Mapping[str, float]
    reference: str
    read: str
    note: str = ""
    n_kind: Literal["total", "non_embedding", "unstated"] = "unstated"
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
