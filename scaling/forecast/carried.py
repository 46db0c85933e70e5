"""A predictor as plain data: all that whoever computes it elsewhere, such as a page, needs.

Laws go as lists of operations (`laws.program`), draws as they are, bit by bit, and what is random
in Python (the residual that a new run gets, the error that past forecasts had) as the values that
were drawn. So a page answers what Python answers, to rounding.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputError
from scaling.fit.result import Fit
from scaling.forecast.averaged import Averaged
from scaling.forecast.further.given import Given
from scaling.forecast.isoflop.parabolas import Parabolas
from scaling.forecast.predictor import Predictor
from scaling.forecast.published import PublishedLaw
from scaling.forecast.rollouts.calibrated import Calibrated
from scaling.forecast.rollouts.growth import FULL, Growth
from scaling.laws.program import optimum_program, program_of

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def carried(predictor: Predictor) -> dict[str, Any]:
    """The predictor as JSON values. Raises InputError, saying why, for one that is no law, no
    average of laws and not Approach 2, and for a law that cannot be written down."""
    return _carried(predictor, np.arange(count(predictor)))


def count(predictor: Predictor) -> int:
    """How many draws a predictor answers with."""
    if isinstance(predictor, Fit):
        return len(predictor.draws)
    if isinstance(predictor, Given):
        return count(predictor.base)
    if isinstance(predictor, Calibrated):
        return count(predictor.predictor)
    if isinstance(predictor, Averaged):
        return sum(map(len, predictor.kept([count(member) for member in predictor.members])))
    return len(predictor.slope) - 1 if isinstance(predictor, Parabolas) else 0


def packed(values: Array) -> float | dict[str, str]:
    """Numbers bit by bit: little-endian float64 in base64; one number where all are the same."""
    if len(values) and np.isfinite(values[0]) and (values == values[0]).all():
        return float(values[0])
    return {"f64": base64.b64encode(np.asarray(values, dtype="<f8").tobytes()).decode()}


def _carried(predictor: Predictor, kept: Index) -> dict[str, Any]:
    """With these of its draws alone."""
    if isinstance(predictor, Fit | PublishedLaw | Given):
        return _law(predictor, kept)
    if isinstance(predictor, Calibrated):
        return _calibrated(predictor, kept)
    if isinstance(predictor, Averaged):
        return _averaged(predictor, kept)
    if isinstance(predictor, Parabolas):
        return _parabolas(predictor, kept)
    raise InputError(
        f"{type(predictor).__name__} is no law, no average of laws and not Approach 2: its budget "
        "cannot be moved in a page"
    )


def _law(predictor: Fit | PublishedLaw | Given, kept: Index) -> dict[str, Any]:
    held = dict(predictor.held) if isinstance(predictor, Given) else {}
    base = predictor.base if isinstance(predictor, Given) else predictor
    law, draws = base.law, base.params_draws()
    closed = optimum_program(law) if predictor.cost.kind == "6ND" and not held else None
    noise = base.noise((len(base.draws),))[kept] if isinstance(base, Fit) else np.zeros(len(kept))
    return {
        "kind": "law",
        "program": program_of(law, held).to_dict(),
        "optimum": None if closed is None else closed.to_dict(),
        "turns_twice": bool(held),
        "params": {k: packed(np.append(v, draws[k][kept])) for k, v in base.params.items()},
        "draws": len(kept),
        "noise": packed(noise),
        "noise_of_log": isinstance(base, Fit) and base.on == "log_loss",
        "cost": predictor.cost.pieces(),
    }


def _calibrated(predictor: Calibrated, kept: Index) -> dict[str, Any]:
    def errors(growth: Growth, stream: int) -> dict[str, Any]:
        rate, stretch = growth.of_draws(count(predictor), [predictor.seed, stream])
        return {"rate": packed(rate[kept]), "stretch": packed(stretch[kept])}

    return {
        "kind": "calibrated",
        "of": _carried(predictor.predictor, kept),
        "loss": errors(predictor.loss_growth, 2),
        "N": errors(predictor.n_growth, 3),
        "full": FULL,
        "c_max": predictor.c_max,
        "cost": predictor.cost.pieces(),
    }


def _averaged(predictor: Averaged, kept: Index) -> dict[str, Any]:
    members, first = [], 0
    shares = predictor.kept([count(member) for member in predictor.members])
    for member, own in zip(predictor.members, shares, strict=True):
        mine = kept[(kept >= first) & (kept < first + len(own))] - first
        members.append(_carried(member, own[mine]))
        first += len(own)
    return {
        "kind": "averaged",
        "members": members,
        "weights": [float(w) for w in predictor.weights],
    }


def _parabolas(predictor: Parabolas, kept: Index) -> dict[str, Any]:
    rows = np.append(0, kept + 1)  # the estimate first
    names = ("slope", "height", "E", "k", "g", "q")
    return {
        "kind": "parabolas",
        **{name: packed(getattr(predictor, name)[rows]) for name in names},
        "draws": len(kept),
        "noise": packed(predictor.noise((count(predictor),))[kept]),
        "centre": predictor.centre,
        "cost": predictor.cost.pieces(),
    }
