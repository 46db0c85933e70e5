"""What published fits say before a table is read: priors of a law's coordinates.

Eight fits of other groups and data, of the published laws E + A/N^alpha + B/D^beta (+ ...). Each
quantity has the predictive distribution of a ninth fit, given that the eight are draws from one
normal population of unknown mean and spread: Student's t with 7 degrees of freedom, the eight's
mean, and their standard deviation times sqrt(1 + 1/8) (Gelman et al., Bayesian Data Analysis, 3rd
ed., section 3.2). The quantities are logarithms: of alpha, beta, E, and of the two terms' heights
at N = 1e9 and D = 2e10. A and B by themselves span decades that their exponents take back; heights
don't, and a height with its exponent is a prior of ln A. The quantities are believed independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from scaling import laws
from scaling.fit.build import Coordinates
from scaling.fit.problem import Array

# One fit of each data set: Besiroglu's is Hoffmann's and Pearce's too, and Muennighoff printed his
# twice. Names of E, of the amplitude and exponent of N's term, and of D's.
_FITS = {
    "besiroglu2024": ("E", "A", "alpha", "B", "beta"),
    "muennighoff2023_tied": ("E", "A", "alpha", "B", "alpha"),
    "kumar2024_precision": ("E", "A", "alpha", "B", "beta"),
    "abnar2025": ("e", "a", "alpha", "b", "beta"),
    "krajewski2024": ("c", "a", "alpha", "b", "beta"),
}
_GADRE = ("gadre2024_c4", "gadre2024_redpajama", "gadre2024_refinedweb")
REFERENCE = {"N": 1e9, "D": 2e10}  # where heights are told: the middle of these fits' runs
_EXPONENT = {"N": "alpha", "D": "beta"}
# A coordinate that no published fit speaks of: all but flat over the centred, mostly logarithmic
# coordinates that fits use.
_WEAK = (0.0, 30.0, 4.0)


@dataclass(frozen=True)
class Belief:
    """Student's t of a quantity's logarithm."""

    location: float
    scale: float
    freedom: float

    def __str__(self) -> str:
        from scipy.stats import t

        ends = t.ppf([0.05, 0.5, 0.95], self.freedom, self.location, self.scale)
        low, middle, high = np.exp(ends)
        return f"{middle:.2g} [{low:.2g}, {high:.2g}]"


@cache
def published_beliefs() -> dict[str, Belief]:
    """The belief about each of `E`, `alpha`, `beta`, `height of N` and `height of D`."""
    rows = np.log(np.array(list(_quantities())))
    n = len(rows)
    spread = rows.std(axis=0, ddof=1) * np.sqrt(1 + 1 / n)
    names = ("E", "alpha", "beta", "height of N", "height of D")
    return {
        name: Belief(float(m), float(s), n - 1.0)
        for name, m, s in zip(names, rows.mean(axis=0), spread, strict=True)
    }


def _quantities() -> Iterator[tuple[float, ...]]:
    """E, the exponents and the heights of every fit."""
    for fit, names in _FITS.items():
        yield _heights(*(laws.published[fit].params[name] for name in names))
    for fit in _GADRE:  # (a M^eta + b M^-eta) C^-eta, with M = D/N and C = 6ND
        p = laws.published[fit].params
        six = 6.0 ** -p["eta"]
        yield _heights(p["E"], six * p["a"], 2 * p["eta"], six * p["b"], 2 * p["eta"])


def _heights(E: float, A: float, alpha: float, B: float, beta: float) -> tuple[float, ...]:
    return E, alpha, beta, A / REFERENCE["N"] ** alpha, B / REFERENCE["D"] ** beta


@dataclass(frozen=True, eq=False)
class Priors:
    """Independent beliefs about quantities q of one group's coordinates u [p], each [p].

    q is ln u where `logs`, else lift @ u + offset. told: the beliefs in words, each a median and a
    90 % interval, by coordinate.
    """

    logs: NDArray[np.bool_]
    lift: Array  # [p, p]
    offset: Array
    location: Array
    scale: Array
    freedom: Array
    told: dict[str, str]


def priors_of(coordinates: Coordinates) -> Priors:
    """Priors of a law's coordinates.

    Where the law is made of powers of N and D under an E, exponents, heights of terms and E are
    believed to be as published. Everything else is weak: Student's t of scale 30 in the coordinate.
    """
    names, p = coordinates.names, len(coordinates.names)
    logs, lift, offset = np.zeros(p, dtype=bool), np.eye(p), np.zeros(p)
    beliefs = np.tile(_WEAK, (p, 1))
    told: dict[str, str] = {}

    def believe(name: str, belief: Belief, words: str) -> int:
        beliefs[names.index(name)] = belief.location, belief.scale, belief.freedom
        told.setdefault(name, f"{words} {belief}")
        return names.index(name)

    powers = [f for f in coordinates.form.features if f.variable in REFERENCE and f.slope]
    published = published_beliefs()
    if not powers or not any(f.intercept == "E" for f in coordinates.form.features):
        powers = []
    elif "E" in names:
        logs[believe("E", published["E"], "E")] = True
    for variable, slope, height in ((f.variable or "", f.slope or "", f.intercept) for f in powers):
        run = float(np.log(REFERENCE[variable])) - coordinates.centre[variable]
        if slope in names and slope not in told:  # tied exponents are believed once
            logs[believe(slope, published[_EXPONENT[variable]], slope)] = True
        if height in names:
            words = f"{height}/{variable}^{slope} at {variable} = {REFERENCE[variable]:.0e}"
            i = believe(height, published[f"height of {variable}"], words)
            if slope in names:
                lift[i, names.index(slope)] = -run
            else:
                offset[i] = -run * coordinates.fixed[slope]
    location, scale, freedom = beliefs.T
    return Priors(logs, lift, offset, location, scale, freedom, told)
