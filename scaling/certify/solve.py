"""How cases are solved: a law fitted by two engines, or a straight line by two routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scaling.certify.case import Printed, Solution, Solve
from scaling.fit import Fit, Objective, fit
from scaling.fit.problem import Array, Scale

Prepare = Callable[[pd.DataFrame], pd.DataFrame]
Report = Callable[[Fit], dict[str, float]]


def parameters(found: Fit) -> dict[str, float]:
    """The parameters, the exponents a and b where there are some, the objective as F and, twice
    that, as RSS."""
    exponents = {name: float(draws.point) for name, draws in found.exponents().items()}
    return {**exponents, **found.params, "F": found.value, "RSS": 2 * found.value}


def fitted(
    law: str,
    objective: Objective,
    on: Scale = "log_loss",
    *,
    prepare: Prepare = lambda table: table,
    engines: tuple[str, str] = ("newton", "scipy"),
    fixed: Mapping[str, float] | None = None,
    weight: str | None = None,
    report: Report = parameters,
) -> Solve:
    """Fit the law by both engines; judge what is printed in the box of its digits."""

    def solve(table: pd.DataFrame, printed: Mapping[str, Printed]) -> Solution:
        rows = prepare(table)
        how: dict[str, Any] = {"objective": objective, "on": on, "weight": weight, "draws": 0}
        one, two = (fit(law, rows, engine=e, fixed=fixed, **how) for e in engines)
        ours, second = (
            {name: report(each)[name] for name in _asked(each, printed)} for each in (one, two)
        )
        box = {
            name: item.box
            for name, item in printed.items()
            if name in one.params and not _within(item, one.params[name])
        }
        return Solution(
            one.n_rows,
            ours,
            second,
            engines,
            one.value,
            _in_box(law, rows, {n: p for n, p in printed.items() if n in one.params}, fixed, how)
            if box
            else one.value,
        )

    return solve


def _asked(found: Fit, printed: Mapping[str, Printed]) -> Sequence[str]:
    return tuple(dict.fromkeys([*printed, *found.params]))


def _within(item: Printed, ours: float) -> bool:
    low, high = item.box
    return low <= ours <= high


def _in_box(
    law: str,
    rows: pd.DataFrame,
    printed: Mapping[str, Printed],
    fixed: Mapping[str, float] | None,
    how: Mapping[str, Any],
) -> float:
    """The lowest objective value that the printed digits allow."""
    bounds = {name: item.box for name, item in printed.items()}
    return fit(law, rows, fixed=fixed, bounds=bounds, **how).value


def line(x: str, y: str, weight: str | None, names: tuple[str, str] = ("k", "a")) -> Solve:
    """ln y = ln k + a ln x by least squares, weighted: by QR and by centred sums.

    weight: the column of the standard error of ln y, or none.
    """

    def solve(table: pd.DataFrame, printed: Mapping[str, Printed]) -> Solution:
        u, v = np.log(table[x].to_numpy()), np.log(table[y].to_numpy())
        root = np.ones(len(u)) if weight is None else 1 / table[weight].to_numpy()
        by_qr = _line_by_qr(u, v, root)
        by_sums = _line_by_sums(u, v, root**2)
        ours, second = (
            dict(zip(names, (float(np.exp(c)), a), strict=True)) for c, a in (by_qr, by_sums)
        )
        return Solution(len(u), ours, second, ("QR", "centred sums"))

    return solve


def _line_by_qr(u: Array, v: Array, root: Array) -> tuple[float, float]:
    basis = np.stack([np.ones_like(u), u], axis=1) * root[:, None]
    (intercept, slope), *_ = np.linalg.lstsq(basis, v * root)
    return float(intercept), float(slope)


def _line_by_sums(u: Array, v: Array, w: Array) -> tuple[float, float]:
    middle, height = (w @ u) / w.sum(), (w @ v) / w.sum()
    slope = (w @ ((u - middle) * (v - height))) / (w @ (u - middle) ** 2)
    return float(height - slope * middle), float(slope)
