"""The field's methods side by side on one table: what each says of a, b and N_opt at a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import InputError
from scaling.fit.approaches import side_by_side
from scaling.fit.fitting import fit
from scaling.fit.objective import huber, squared
from scaling.fit.prediction import Draws
from scaling.fit.result import Fit

# Published ways that fit a law of N and D: what they are called, and how they differ.
LAWS: dict[str, tuple[str, dict[str, Any]]] = {
    "approach_3": (
        "Hoffmann's Approach 3: Huber 1e-3 of log loss",
        {"law": "chinchilla", "objective": huber(), "on": "log_loss"},
    ),
    "vpnls": (
        "variable projection: least squares of loss",
        {"law": "chinchilla", "objective": squared(), "on": "loss", "engine": "varpro"},
    ),
    "kaplan": (
        "Kaplan's L(N, D), no irreducible loss: least squares of log loss",
        {"law": "kaplan", "objective": squared(), "on": "log_loss"},
    ),
}
SURFACES = ("approach_3", "vpnls")  # with an irreducible loss: they can stand for the truth


@dataclass(frozen=True, eq=False)
class Method:
    """One method's answer. a, b: exponents of N_opt and D_opt. N_opt, D_opt: by budget (FLOPs).

    c_kind: the convention of its C. fit: the law's Fit, where the method fits one.
    """

    name: str
    words: str
    a: Draws
    b: Draws
    N_opt: dict[float, Draws]
    D_opt: dict[float, Draws]
    c_kind: str
    status: str
    fit: Fit | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "words": self.words,
            "a": _plain(self.a),
            "b": _plain(self.b),
            "optima": [
                {"C": C, "N_opt": _plain(self.N_opt[C]), "D_opt": _plain(self.D_opt[C])}
                for C in self.N_opt
            ],
            "c_kind": self.c_kind,
            "status": self.status,
            **({"params": self.fit.params} if self.fit is not None else {}),
        }


def methods(
    table: pd.DataFrame,
    compute: Sequence[float] = (),
    *,
    N: str = "N",
    draws: int = 1000,
    seed: int = 0,
    where: str | None = None,
) -> tuple[list[Method], list[str]]:
    """Approaches 1, 2 and 3, variable projection and Kaplan's law on one table, with intervals.

    compute: budgets in FLOPs; by default the largest run's C and ten times that. Returns the
    methods that the table allows, and why it doesn't allow the others. Raises InputError for a
    table that no method can use.
    """
    options: dict[str, Any] = {"N": N, "draws": draws, "seed": seed, "where": where}
    fits = {name: fit(table=table, **how, **options) for name, (_, how) in LAWS.items()}
    top = fits["approach_3"].c_max
    budgets = [float(C) for C in compute] or [top, 10 * top]
    for C in budgets:
        if not (np.isfinite(C) and C > 0):
            raise InputError(f"compute = {C:g}; must be a finite number of FLOPs above 0")
    lines, refused = side_by_side(table, **options)
    found = [
        Method(
            item.name,
            f"Hoffmann's Approach {item.name[-1]}: {item.notes[0]}",
            item.a,
            item.b,
            {C: item.n_opt(C) for C in budgets},
            {C: item.d_opt(C) for C in budgets},
            item.c_kind,
            "; ".join(["converged", *item.notes[1:]]),
        )
        for item in lines
    ]
    return found + [_of_fit(name, fitted, budgets) for name, fitted in fits.items()], refused


def _of_fit(name: str, fitted: Fit, budgets: Sequence[float]) -> Method:
    exponents = fitted.exponents()
    best = fitted.optimum(np.array(budgets))
    return Method(
        name,
        LAWS[name][0],
        exponents["a"],
        exponents["b"],
        {C: _at(best.N, i) for i, C in enumerate(budgets)},
        {C: _at(best.D, i) for i, C in enumerate(budgets)},
        fitted.cost.kind,
        fitted.status,
        fitted,
    )


def surface(found: Sequence[Method], name: str) -> Fit:
    """The point estimate of a method that fits a surface: what a bias is measured against."""
    if name not in SURFACES:
        raise InputError(f"surface {name!r}; valid: {', '.join(SURFACES)}")
    (fitted,) = (item.fit for item in found if item.name == name)
    assert fitted is not None
    return replace(fitted, draws=fitted.draws[:0])


def _at(values: Draws, i: int) -> Draws:
    return Draws(values.point[i], values.draws[:, i])


def _plain(value: Draws) -> dict[str, Any]:
    low, high = value.interval()
    return {"value": float(value.point), "interval": [float(low), float(high)]}
