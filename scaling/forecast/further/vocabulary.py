"""How large a vocabulary should be: Tao's three approaches side by side, and how far they agree.

Tao et al. 2024 (arXiv:2407.13623), with the coefficients of their released code. Approach 1: N_v by
compute. Approach 2: N_v by the parameters outside the vocabulary, N_nv. Approach 3: of all N_v that
C FLOPs leave tokens for, the one of least loss: with D = C / (6 (N_nv + N_v)) it is where
alpha2 A2/N_v^alpha2 = beta B/D^beta N_v/(N_nv + N_v). Only the third knows both N_nv and C.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling import laws
from scaling.errors import InputError
from scaling.forecast.further.search import least

Array = NDArray[np.float64]

_LN_K = -2.4846510161625193  # approach 1: N_nv = e^-2.48 C^.5, released code, optimal_Nv_predict.py
_MILLION, _BILLION = 1e6, 1e9  # units of approach 3
_WORDS = 1e3, 1e8  # N_v looked at, as parts of N_nv: from 1/1000 down to 10^8 up


@dataclass(frozen=True)
class Vocabulary:
    """The best N_v, parameters of the vocabulary, for N_nv others at C FLOPs, by approach; V: words
    of it at a width, where one is given. apart: the largest over the least. outside: the
    approaches whose data had no such N_nv or C."""

    N_nv: float
    C: float
    optimal: bool
    N_v: dict[str, float]
    V: dict[str, float] | None
    apart: float
    outside: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        by = "compute-optimal by approach 1" if self.optimal else "given"
        lines = [f"vocabulary for N_nv = {self.N_nv:.4g} at C = {self.C:.4g} FLOPs ({by})"]
        for name, value in self.N_v.items():
            words = "" if self.V is None else f", {self.V[name]:,.0f} words"
            lines.append(f"  {name}: N_v = {value:.4g}{words}")
        lines.append(f"  the approaches are a factor {self.apart:.3g} apart")
        return "\n".join([*lines, *(f"  outside: {told}" for told in self.outside)])


def vocabulary(
    N_nv: float, *, compute: float | None = None, width: float | None = None
) -> Vocabulary:
    """The best N_v for `N_nv` parameters outside the vocabulary, at `compute` FLOPs (by default
    those for which approach 1 calls N_nv optimal). Raises InputError for a number not above 0."""
    for name, value in (("params", N_nv), ("compute", compute), ("width", width)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}: must be a finite number above 0")
    C = float((N_nv / np.exp(_LN_K)) ** 2) if compute is None else compute
    found = {
        "by compute (approach 1)": _predicted("tao2024_compute", C=C),
        "by size (approach 2)": _predicted("tao2024_size", N_nv=N_nv),
        "by loss (approach 3)": least_loss(N_nv, C),
    }
    words = None if width is None else {name: value / width for name, value in found.items()}
    apart = max(found.values()) / min(found.values())
    return Vocabulary(N_nv, C, compute is None, found, words, apart, _outside(N_nv))


def least_loss(N_nv: float, C: float) -> float:
    """Approach 3: the N_v of least loss."""
    params = laws.published["tao2024"].params
    predict = laws.get("vocabulary").predict

    def loss(x: Array) -> Array:
        N_v = np.exp(x)
        D = C / (6 * (N_nv + N_v))
        found = predict(N_nv=N_nv / _MILLION, N_v=N_v / _MILLION, D=D / _BILLION, **params)
        return np.asarray(found - params["E"])  # the constant would take digits away

    low, high = np.log(N_nv / _WORDS[0]), np.log(N_nv * _WORDS[1])
    return float(np.exp(least(loss, low, high)))


def _predicted(name: str, **x: float) -> float:
    item = laws.published[name]
    return float(laws.get(item.law).predict(**x, **item.params))


def _outside(N_nv: float) -> tuple[str, ...]:
    low, high = (end * _MILLION for end in laws.get("vocabulary").ranges["N_nv"])
    if low <= N_nv <= high:
        return ()
    by = f"{N_nv / high:.3g} times above" if N_nv > high else f"{low / N_nv:.3g} times below"
    return (f"N_nv is {by} the paper's models, of 33M to 3B",)
