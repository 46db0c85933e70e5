"""NIST's Statistical Reference Datasets for nonlinear regression: the engines' own certificate.

27 least-squares problems, each with two starts (the first is meant to be hard) and parameters
certified to 11 digits by NIST: https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml. The numbers
are facts typed in `nist_strd.json`; that they are right is shown by the certified residual sum of
squares, which our models give back at the certified parameters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import permutations
from typing import Any

import numpy as np

from scaling.fit.build import build
from scaling.fit.objective import squared
from scaling.fit.problem import Array, Problem
from scaling.fit.rows import ENGINES
from scaling.laws.law import Law, free

SOURCE = "NIST StRD, nonlinear regression, https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml"
_CERTIFIED_DIGITS = 11.0

Predict = Callable[..., Any]
# formula, function of the predictors and b1, b2, ..., and the parameters it is linear in
Model = tuple[str, Predict, tuple[str, ...]]


def _rational(x: Any, top: tuple[Any, ...], bottom: tuple[Any, ...]) -> Any:
    return sum(b * x**i for i, b in enumerate(top)) / (
        1 + sum(b * x ** (i + 1) for i, b in enumerate(bottom))
    )


def _bells(x: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any, b6: Any, b7: Any, b8: Any) -> Any:
    first, second = (x - b4) / b5, (x - b7) / b8
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-(first**2)) + b6 * np.exp(-(second**2))


def _waves(x: Any, b1: Any, *rest: Any) -> Any:
    year = (12.0, rest[0], rest[1])
    cycles = (year, rest[2:5], rest[5:8])
    turn = 2 * np.pi * x
    return b1 + sum(c * np.cos(turn / p) + s * np.sin(turn / p) for p, c, s in cycles)


_RISE: Model = ("b1 (1 - exp(-b2 x))", lambda x, b1, b2: b1 * (1 - np.exp(-b2 * x)), ("b1",))
_CHWIRUT: Model = (
    "exp(-b1 x) / (b2 + b3 x)",
    lambda x, b1, b2, b3: np.exp(-b1 * x) / (b2 + b3 * x),
    (),
)
_LANCZOS: Model = (
    "b1 exp(-b2 x) + b3 exp(-b4 x) + b5 exp(-b6 x)",
    lambda x, b1, b2, b3, b4, b5, b6: (
        b1 * np.exp(-b2 * x) + b3 * np.exp(-b4 * x) + b5 * np.exp(-b6 * x)
    ),
    ("b1", "b3", "b5"),
)
_GAUSS: Model = (
    "b1 exp(-b2 x) + b3 exp(-(x - b4)^2 / b5^2) + b6 exp(-(x - b7)^2 / b8^2)",
    _bells,
    ("b1", "b3", "b6"),
)
_CUBIC: Model = (
    "(b1 + b2 x + b3 x^2 + b4 x^3) / (1 + b5 x + b6 x^2 + b7 x^3)",
    lambda x, *b: _rational(x, b[:4], b[4:]),
    ("b1", "b2", "b3", "b4"),
)

MODELS: Mapping[str, Model] = {
    "Bennett5": (
        "b1 (b2 + x)^(-1/b3)",
        lambda x, b1, b2, b3: b1 * (b2 + x) ** (-1 / b3),
        ("b1",),
    ),
    "BoxBOD": _RISE,
    "Chwirut1": _CHWIRUT,
    "Chwirut2": _CHWIRUT,
    "DanWood": ("b1 x^b2", lambda x, b1, b2: b1 * x**b2, ("b1",)),
    "ENSO": (
        "b1 + b2 cos(2 pi x/12) + b3 sin(2 pi x/12) + b5 cos(2 pi x/b4) + b6 sin(2 pi x/b4) "
        "+ b8 cos(2 pi x/b7) + b9 sin(2 pi x/b7)",
        _waves,
        ("b1", "b2", "b3", "b5", "b6", "b8", "b9"),
    ),
    "Eckerle4": (
        "b1/b2 exp(-((x - b3)/b2)^2 / 2)",
        lambda x, b1, b2, b3: b1 / b2 * np.exp(-(((x - b3) / b2) ** 2) / 2),
        ("b1",),
    ),
    "Gauss1": _GAUSS,
    "Gauss2": _GAUSS,
    "Gauss3": _GAUSS,
    "Hahn1": _CUBIC,
    "Kirby2": (
        "(b1 + b2 x + b3 x^2) / (1 + b4 x + b5 x^2)",
        lambda x, *b: _rational(x, b[:3], b[3:]),
        ("b1", "b2", "b3"),
    ),
    "Lanczos1": _LANCZOS,
    "Lanczos2": _LANCZOS,
    "Lanczos3": _LANCZOS,
    "MGH09": (
        "b1 (x^2 + b2 x) / (x^2 + b3 x + b4)",
        lambda x, b1, b2, b3, b4: b1 * (x**2 + b2 * x) / (x**2 + b3 * x + b4),
        ("b1",),
    ),
    "MGH10": ("b1 exp(b2 / (x + b3))", lambda x, b1, b2, b3: b1 * np.exp(b2 / (x + b3)), ("b1",)),
    "MGH17": (
        "b1 + b2 exp(-b4 x) + b3 exp(-b5 x)",
        lambda x, b1, b2, b3, b4, b5: b1 + b2 * np.exp(-b4 * x) + b3 * np.exp(-b5 * x),
        ("b1", "b2", "b3"),
    ),
    "Misra1a": _RISE,
    "Misra1b": (
        "b1 (1 - (1 + b2 x/2)^-2)",
        lambda x, b1, b2: b1 * (1 - (1 + b2 * x / 2) ** -2),
        ("b1",),
    ),
    "Misra1c": (
        "b1 (1 - (1 + 2 b2 x)^-.5)",
        lambda x, b1, b2: b1 * (1 - (1 + 2 * b2 * x) ** -0.5),
        ("b1",),
    ),
    "Misra1d": ("b1 b2 x / (1 + b2 x)", lambda x, b1, b2: b1 * b2 * x / (1 + b2 * x), ("b1",)),
    "Nelson": (
        "b1 - b2 x1 exp(-b3 x2), of ln y",
        lambda x1, x2, b1, b2, b3: b1 - b2 * x1 * np.exp(-b3 * x2),
        ("b1", "b2"),
    ),
    "Rat42": (
        "b1 / (1 + exp(b2 - b3 x))",
        lambda x, b1, b2, b3: b1 / (1 + np.exp(b2 - b3 * x)),
        ("b1",),
    ),
    "Rat43": (
        "b1 / (1 + exp(b2 - b3 x))^(1/b4)",
        lambda x, b1, b2, b3, b4: b1 / (1 + np.exp(b2 - b3 * x)) ** (1 / b4),
        ("b1",),
    ),
    "Roszman1": (
        "b1 - b2 x - arctan(b3 / (x - b4)) / pi",
        lambda x, b1, b2, b3, b4: b1 - b2 * x - np.arctan(b3 / (x - b4)) / np.pi,
        ("b1", "b2"),
    ),
    "Thurber": _CUBIC,
}


# Terms that may change places, and signs that may change together: the same curve.
_SWAPS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    **{
        f"Lanczos{i}": tuple(
            tuple(2 * term + part for term in order for part in (0, 1))
            for order in permutations(range(3))
        )
        for i in (1, 2, 3)
    },
    "MGH17": ((0, 1, 2, 3, 4), (0, 2, 1, 4, 3)),
}
_FLIPS: Mapping[str, tuple[int, ...]] = {"Eckerle4": (0, 1)}


@dataclass(frozen=True, eq=False)
class Reference:
    """One of NIST's problems. start: the two starts, each [p]; certified, sd [p]; rss certified."""

    name: str
    level: str
    formula: str
    names: tuple[str, ...]
    starts: tuple[Array, Array]
    certified: Array
    sd: Array
    rss: float
    problem: Problem


@dataclass(frozen=True)
class Solved:
    """How an engine did from one of NIST's starts.

    digits: log relative error of the worst parameter, and of the residual sum of squares; 11 where
    all certified digits agree.
    """

    problem: str
    level: str
    engine: str
    start: int
    converged: bool
    digits: float
    rss_digits: float
    iterations: int


@cache
def _bundle() -> dict[str, Any]:
    text = files("scaling.certify").joinpath("nist_strd.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def names() -> tuple[str, ...]:
    """The 27 problems."""
    return tuple(_bundle())


@cache
def reference(name: str) -> Reference:
    """The problem of that name, as our engines take it: squared residuals, parameters unbounded."""
    item = _bundle()[name]
    formula, function, linear = MODELS[name]
    data = {column: np.array(values, dtype=float) for column, values in item["data"].items()}
    y = data.pop("y")
    params = tuple(item["parameters"])
    law = Law(
        name=f"nist_{name}",
        formula=formula,
        predict=lambda **v: function(*(v[x] for x in data), *(v[b] for b in params)),
        params=dict.fromkeys(params, free()),
        variables=tuple(data),
        linear=linear,
        reference=SOURCE,
    )
    target = np.log(y) if name == "Nelson" else y
    problem, _ = build(law, data, target, squared(), "loss")
    columns = np.array([item["parameters"][b] for b in params], dtype=float).T
    return Reference(
        name,
        item["level"],
        formula,
        params,
        (columns[0], columns[1]),
        columns[2],
        columns[3],
        float(item["rss"]),
        problem,
    )


def engines_for(name: str) -> tuple[str, ...]:
    """Variable projection needs linear parameters; the other engines take every problem."""
    return tuple(e for e in ENGINES if e != "varpro" or MODELS[name][2])


@cache
def solve(name: str, engine: str, start: int) -> Solved:
    """The engine alone, from NIST's start 1 or 2 and no other."""
    ref = reference(name)
    found = ENGINES[engine].solve(ref.problem, ref.starts[start - 1][None])
    u = ENGINES[engine].sharpen(ref.problem, found.u[0])
    rss = float((ref.problem.residuals(u) ** 2).sum())
    return Solved(
        name,
        ref.level,
        engine,
        start,
        bool(found.converged[0]),
        max(float(digits(each, ref.certified).min()) for each in _images(name, u)),
        float(digits(np.array([rss]), np.array([ref.rss]))[0]),
        int(found.iterations[0]),
    )


def _images(name: str, u: Array) -> list[Array]:
    """The parameters, and others that give the same curve."""
    flipped = u.copy()
    flipped[list(_FLIPS.get(name, ()))] *= -1.0
    return [u, flipped, *(u[list(order)] for order in _SWAPS.get(name, ()))]


def digits(ours: Array, certified: Array) -> Array:
    """-log10 of the relative error, from 0 to the 11 digits that are certified."""
    with np.errstate(divide="ignore", invalid="ignore"):
        lre = -np.log10(np.abs(ours - certified) / np.abs(certified))
    lre = np.nan_to_num(lre, nan=0.0, posinf=_CERTIFIED_DIGITS)
    return np.asarray(np.clip(lre, 0, _CERTIFIED_DIGITS))


def solve_all() -> list[Solved]:
    """Every problem by every engine that takes it, from both starts."""
    return [
        solve(name, engine, start)
        for name in names()
        for engine in engines_for(name)
        for start in (1, 2)
    ]
