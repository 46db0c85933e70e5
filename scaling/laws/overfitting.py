"""Laws of loss in which repeated data, or parameters beyond what they support, do harm.

Of D tokens (or images) seen, U = min(D, D_unique) are distinct, and these were repeated
R = D/U - 1 times. `overfit` adds to Hoffmann's law a penalty that grows with R and with N and falls
with U: the held-out loss turns up where one more pass costs more than it teaches. `overfit_ratio`
knows N and U by their ratio alone. `bounded` keeps the loss between E and that of an uninformed
guess, L0; its penalty does not grow with R: too large a model is worse, one more pass never is.
`gap` is a law of the gap of held-out over training loss (`--columns L=gap`), a product of powers.

References: an additive penalty, Lovelace et al. 2026 (arXiv:2605.01640), of which we have read the
abstract and summaries but not the exponents of its forms of fewer parameters; here they are free,
and may be held (`--fix delta=1`). `bounded`: arXiv:2605.09189, as its abstract gives it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Param, Seeds, Values, exponent, log, positive
from scaling.laws.products import product_law
from scaling.laws.terms import least


def _penalty(N: Any, D: Any, U: Any, P: Any, delta: Any, kappa: Any, lam: Any) -> Any:
    """P R^delta N^kappa / U^lam; 0 where nothing is repeated, whatever delta."""
    R = D / U - 1
    repeated = np.real(R) > 0
    return P * repeated * np.where(repeated, R, 1.0) ** delta * N**kappa / U**lam


def _overfit(
    N: Any, D: Any, D_unique: Any, *,
    E: Any, A: Any, B: Any, alpha: Any, beta: Any, P: Any, delta: Any, kappa: Any, lam: Any,
) -> Any:  # fmt: skip
    penalty = _penalty(N, D, least(D, D_unique), P, delta, kappa, lam)
    return E + A / N**alpha + B / D**beta + penalty


def _overfit_ratio(N: Any, D: Any, D_unique: Any, *, kappa: Any, **p: Any) -> Any:
    return _overfit(N, D, D_unique, kappa=kappa, lam=kappa, **p)


def _bounded(
    N: Any, D: Any, D_unique: Any, *,
    E: Any, L0: Any, A: Any, B: Any, alpha: Any, beta: Any, P: Any, kappa: Any, lam: Any,
) -> Any:  # fmt: skip
    h = A / N**alpha + B / D**beta + P * N**kappa / least(D, D_unique) ** lam
    return E + (L0 - E) * (h / (1 + h))


def _bounded_outer(x: Values, loss: Array) -> dict[str, Array]:
    powers = np.array([0.15, 0.4, 0.9])
    return {
        "E": loss.min() * np.array([0.0, 0.5, 0.9]),
        "L0": loss.max() * np.array([1.05, 1.6, 5.0]),
        "alpha": powers,
        "beta": powers,
        "kappa": powers,
        "lam": powers,
    }


def _bounded_linear(x: Values, loss: Array, o: Values) -> Linear:
    """h = (L - E) / (L0 - L) is linear in A, B and P given the rest."""
    left = o["L0"] - loss
    target = (loss - o["E"]) / left
    terms = (
        x["N"] ** -o["alpha"],
        x["D"] ** -o["beta"],
        x["N"] ** o["kappa"] / least(x["D"], x["D_unique"]) ** o["lam"],
    )
    basis = np.stack(np.broadcast_arrays(*terms, target)[:3], axis=-1)
    return Linear(basis, target, loss * (o["L0"] - o["E"]) / left**2)


def _bounded_assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "A": c[..., 0], "B": c[..., 1], "P": c[..., 2]}


def _power(*grid: float, upper: float = 3.0) -> Param:
    """An exponent with few starts: the grids of several multiply."""
    return Param(exponent().lower, upper, "linear", grid)


_FALL = _power(0.1, 0.3, 0.6, 1.1, upper=2.0)
_HOFFMANN = {"E": positive(), "A": log(), "B": log(), "alpha": _FALL, "beta": _FALL}
_KAPPA, _LAM, _DELTA = _power(0.15, 0.5, 1.2), _power(0.3, 0.7, 1.2), _power(0.5, 1.0, 1.6)
_VARIABLES = ("N", "D", "D_unique")
_WHERE = "U = min(D, D_unique)"
_MEANING = {
    "P": "amplitude of the penalty of repeated data",
    "delta": "exponent of the repetitions D/U - 1",
    "kappa": "exponent of N in the penalty",
    "lam": "exponent of the distinct tokens U in the penalty",
    "L0": "loss of an uninformed guess",
}

overfit = Law(
    name="overfit",
    formula=f"E + A/N^alpha + B/D^beta + P (D/U - 1)^delta N^kappa/U^lam, {_WHERE}",
    predict=_overfit,
    params={**_HOFFMANN, "P": log(), "delta": _DELTA, "kappa": _KAPPA, "lam": _LAM},
    variables=_VARIABLES,
    linear=("E", "A", "B", "P"),
    reference="additive penalty of repetition: Lovelace et al. 2026, arXiv:2605.01640",
    meaning=_MEANING,
    own_units=("D", "D_unique"),
)

overfit_ratio = Law(
    name="overfit_ratio",
    formula=f"E + A/N^alpha + B/D^beta + P (D/U - 1)^delta (N/U)^kappa, {_WHERE}",
    predict=_overfit_ratio,
    params={**_HOFFMANN, "P": log(), "delta": _DELTA, "kappa": _KAPPA},
    variables=_VARIABLES,
    linear=("E", "A", "B", "P"),
    reference="additive penalty of repetition: Lovelace et al. 2026, arXiv:2605.01640",
    meaning={**_MEANING, "kappa": "exponent of N/U in the penalty"},
    own_units=("D", "D_unique"),
)

bounded = Law(
    name="bounded",
    formula=f"E + (L0 - E) h/(1 + h), h = A/N^alpha + B/D^beta + P N^kappa/U^lam, {_WHERE}",
    predict=_bounded,
    params={**_HOFFMANN, "L0": log(), "P": log(), "kappa": _KAPPA, "lam": _LAM},
    variables=_VARIABLES,
    reference="arXiv:2605.09189, 2026",
    meaning=_MEANING,
    own_units=("D", "D_unique"),
    seeds=Seeds(_bounded_outer, _bounded_linear, _bounded_assemble),
)

gap = product_law(
    "gap",
    "loss",  # the table's L is its gap
    {"N": "kappa", "D": "delta", "D_unique": "lam"},
    "ours: docs/overfitting.md",
    meaning={"k": "gap of held-out over training loss where every variable is 1"},
)
