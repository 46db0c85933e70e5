"""Cases of the multi-power law: the loss along a run, from its learning rates.

The released parameters come from 200 steps of AdamW. From them a few steps of least squares go to a
much lower objective value: what is shown is that they are no optimum, not where the optimum is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from scaling.certify.case import Case, Printed, Solution, Solve
from scaling.fit.objective import huber
from scaling.fit.problem import Array
from scaling.laws.schedules import multi_power

_WARMUP, _PEAK, _END = 2160, 3e-4, 3e-5  # of the released runs: steps, learning rates
_COSINE, _DROP = 24_000, 8_000  # steps: where the cosine ends, where `wsdcon` falls
_STEPS = 12  # evaluations with derivatives
_NAMES = ("L0", "A", "alpha", "B", "C", "beta", "gamma")

# Released in src/config.py, by millions of parameters.
_RELEASED = {
    25: ("3.04045406", "0.52468604", "0.50786857", "363.78751622", "2.06560812", "0.58279013",
         "0.64142257"),
    100: ("2.6514477", "0.60115152", "0.45295811", "437.9464276", "2.13245612", "0.59785199",
          "0.65523644"),
    400: ("2.37474466", "0.65421216", "0.42878731", "523.42464371", "2.02462735", "0.59350493",
          "0.63472457"),
}  # fmt: skip


def _rates(schedule: str, steps: int) -> Array:
    """The learning rate at each step from 0, warmup included: its rise is part of the law's sum."""
    k = np.arange(steps)
    kind, _, last = schedule.partition("_")
    if kind == "cosine":
        turn = np.pi * (k - _WARMUP) / (_COSINE - _WARMUP)
        after = _END + 0.5 * (_PEAK - _END) * (1 + np.cos(turn))
    elif kind == "wsdcon":
        after = np.where(k < _DROP, _PEAK, float(last) * 1e-5)
    else:
        after = np.full(steps, _PEAK)
    return np.asarray(np.where(k < _WARMUP, _PEAK * k / (_WARMUP - 1), after))


def _lower_point(millions: int) -> Solve:
    """From the released parameters downhill, in their logarithms, on the three fitted curves."""

    def solve(table: pd.DataFrame, printed: Mapping[str, Printed]) -> Solution:
        rows = table[(table["N_millions"] == millions) & (table["train"] == 1)]
        curves = [
            (
                _rates(str(schedule), int(curve["step"].max()) + 1),
                curve["step"].to_numpy(),
                np.log(curve["loss"].to_numpy()),
            )
            for schedule, curve in rows.groupby("schedule")
        ]

        def residuals(logs: Array) -> Array:
            params = dict(zip(_NAMES, np.exp(logs).tolist(), strict=True))
            with np.errstate(over="ignore"):  # a far gamma: the rate of a drop is infinite
                return np.concatenate(
                    [np.log(multi_power(lr, at, **params)) - seen for lr, at, seen in curves]
                )

        start = np.log([printed[name].value for name in _NAMES])
        found = least_squares(
            residuals, start, loss="huber", f_scale=huber().delta, x_scale="jac", max_nfev=_STEPS
        )
        at_published = float(huber()(residuals(start)).value.sum())
        ours = dict(zip(_NAMES, np.exp(found.x).tolist(), strict=True))
        return Solution(len(rows), ours, {}, ("least_squares",), float(found.cost), at_published)

    return solve


CASES = tuple(
    Case(
        f"luo2025_{millions}M",
        "Luo et al. 2025, arXiv:2503.12811",
        "released code, thu-yao-01-luo/MultiPowerLaw, src/config.py",
        "multipowerlaw_curves",
        "multi-power law, 3 curves",
        "Huber 1e-3 on ln L",
        dict(zip(_NAMES, digits, strict=True)),
        _lower_point(millions),
        "C",
        f"ours is a lower point after {_STEPS} steps, not the optimum, and by one engine alone; "
        "that it forecasts other schedules better is not claimed",
    )
    for millions, digits in _RELEASED.items()
)
