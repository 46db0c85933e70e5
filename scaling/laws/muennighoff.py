"""Muennighoff's law for repeated data: tokens and parameters beyond the unique ones count less.

Reference: Muennighoff et al. 2023 (arXiv:2305.16264), and the released notebook. Of D tokens seen,
U = min(D, D_unique) are distinct; repeated R = D/U - 1 times they are worth
D' = U (1 + RD (1 - e^(-R/RD))) fresh ones. Parameters beyond the optimum of Hoffmann's law for U
tokens fade in the same way with RN: that is N'. No term ever grows with D: a repeated token may be
worth nothing, but does no harm. Laws in which it does are in `overfitting.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import (
    Array,
    Law,
    Linear,
    Param,
    Published,
    Seeds,
    Values,
    exponent,
    log,
    positive,
)
from scaling.laws.terms import least


def _faded(unique: Any, seen: Any, fade: Any) -> Any:
    return unique * (1 + fade * (1 - np.exp(-(seen / unique - 1) / fade)))


def _effective(
    N: Any, D: Any, D_unique: Any, ratio: Any, alpha: Any, beta: Any, RD: Any, RN: Any
) -> tuple[Any, Any]:
    """N' and D'; ratio is A/B."""
    U = least(D, D_unique)
    optimal = (alpha / beta * ratio) ** (1 / alpha) * U ** (beta / alpha)
    return _faded(least(optimal, N), N, RN), _faded(U, D, RD)


def _predict(
    N: Any, D: Any, D_unique: Any, *,
    E: Any, A: Any, B: Any, alpha: Any, beta: Any, RD: Any, RN: Any,
) -> Any:  # fmt: skip
    n, d = _effective(N, D, D_unique, A / B, alpha, beta, RD, RN)
    return E + A / n**alpha + B / d**beta


def _tied(p: Values) -> dict[str, Any]:
    return {**p, "beta": p["alpha"]}


def _outer(*exponents: str) -> dict[str, Array]:
    grid = np.geomspace(0.1, 0.8, 9 if len(exponents) == 1 else 5)
    return {
        **dict.fromkeys(exponents, grid),
        "RD": np.geomspace(1.0, 300.0, 12),
        "RN": np.geomspace(0.3, 60.0, 10),
        "A/B": np.geomspace(0.02, 5.0, 5),
    }


def _linearise(x: Values, loss: Array, o: Values) -> Linear:
    """E, A and B given which parameters are in excess, which A/B of the grid says."""
    n, d = _effective(
        x["N"], x["D"], x["D_unique"], o["A/B"], o["alpha"], o["beta"], o["RD"], o["RN"]
    )
    columns = np.broadcast_arrays(np.ones_like(loss), n ** -o["alpha"], d ** -o["beta"])
    return Linear(np.stack(columns, axis=-1), loss, loss)


def _assemble(o: Values, c: Array) -> dict[str, Any]:
    kept = {name: value for name, value in o.items() if name != "A/B"}
    return {**kept, "E": c[..., 0], "A": c[..., 1], "B": c[..., 2]}


_FADE = Param(1e-3, 1e3, "log")
_PARAMS = {
    "E": positive(),
    "A": log(),
    "B": log(),
    "alpha": exponent(),
    "beta": exponent(),
    "RD": _FADE,
    "RN": _FADE,
}
_MEANING = {
    "RD": "repetitions after which repeated tokens are worth little (R_D* in the paper)",
    "RN": "excess of parameters after which more are worth little (R_N* in the paper)",
}
# Of the runs listed in the released notebook.
_RUNS = {"N": (7.1e6, 8.67e9), "D": (1e8, 9e11), "D_unique": (1e8, 1.78e11)}
_WHERE = "N' and D' faded by RN and RD"
_REFERENCE = "Muennighoff et al. 2023, arXiv:2305.16264"

muennighoff = Law(
    name="muennighoff",
    formula=f"E + A/N'^alpha + B/D'^beta, {_WHERE}",
    predict=_predict,
    params=_PARAMS,
    variables=("N", "D", "D_unique"),
    linear=("E",),
    reference=_REFERENCE,
    meaning=_MEANING,
    own_units=("D", "D_unique"),
    seeds=Seeds(lambda x, loss: _outer("alpha", "beta"), _linearise, _assemble),
)

muennighoff_tied = Law(
    name="muennighoff_tied",
    formula=f"E + A/N'^alpha + B/D'^alpha, {_WHERE}",
    predict=lambda N, D, D_unique, **p: _predict(N, D, D_unique, **_tied(p)),
    params={name: kind for name, kind in _PARAMS.items() if name != "beta"},
    variables=("N", "D", "D_unique"),
    linear=("E",),
    reference=f"{_REFERENCE}, alpha = beta",
    meaning=_MEANING,
    own_units=("D", "D_unique"),
    seeds=Seeds(
        lambda x, loss: _outer("alpha"),
        lambda x, loss, o: _linearise(x, loss, _tied(o)),
        _assemble,
    ),
)

muennighoff2023 = Published(
    name="muennighoff2023",
    law="muennighoff_tied",
    params={
        "E": float(np.exp(0.6254804)),
        "A": float(np.exp(6.255414)),
        "B": float(np.exp(7.3049974)),
        "alpha": 0.3526596,
        "RD": 15.387756,
        "RN": 5.309743,
    },
    reference="Muennighoff et al. 2023, arXiv:2305.16264, appendix A: ln E, ln A, ln B",
    read="released notebook, huggingface/datablations, utils/parametric_fit.ipynb",
    note="RD and RN are a local minimum of their own objective, which is nearly flat in RD from 17 "
    "to 280",
    ranges=_RUNS,
)

muennighoff2023_untied = Published(
    name="muennighoff2023_untied",
    law="muennighoff",
    params={
        "E": float(np.exp(0.604038)),
        "A": float(np.exp(6.6229553)),
        "B": float(np.exp(7.5856404)),
        "alpha": 0.3724021,
        "beta": 0.36468068,
        "RD": 16.257626,
        "RN": 4.9642363,
    },
    reference="Muennighoff et al. 2023, arXiv:2305.16264, figure 1",
    read="released notebook, huggingface/datablations, plotstables/return_alloc.ipynb",
    note="the fit with two exponents behind figure 1 and its worked example; the paper's text has "
    "the tied one",
    ranges=_RUNS,
)
