"""Distillation: the loss of a student from the loss of its teacher.

Reference: Busbridge et al. 2025 (arXiv:2502.08606, eq. 8), whose constants were not read. The law
compares the teacher with what the student would reach by itself, so that is a column, L_S: predict
it with a supervised law fitted before (the paper's is E + (A/N^alpha + B/D^beta)^gamma).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Param, Seeds, Values, log

_EXPONENT = Param(1e-4, 2.0)
_SHARP = Param(1e-3, np.inf, "log")


def _gap(L_T: Any, L_S: Any, p: Values) -> Any:
    """What a student's distance to its teacher is multiplied by."""
    z = (np.log(L_T) - np.log(L_S) - np.log(p["d1"])) / p["f1"]
    high = np.real(z) > 0
    small = np.exp(np.where(high, -z, z))  # of z and 0: ln(1 + e^z) that cannot overflow
    bend = np.where(high, z, 0.0) + np.log(1 + small)
    return np.exp(-p["c0"] * np.log(L_T) - p["c1"] * p["f1"] * bend)


def _student(N: Any, D: Any, L_T: Any, L_S: Any, **p: Any) -> Any:
    capacity = p["A"] / N ** p["alpha"] + p["B"] / D ** p["beta"]
    return L_T + _gap(L_T, L_S, p) * capacity ** p["gamma"]


def _outer(x: Values, loss: Array) -> dict[str, Array]:
    exponents = np.geomspace(0.15, 0.8, 4)
    return {
        "alpha": exponents,
        "beta": exponents,
        "gamma": np.array([0.5, 0.8, 1.2]),
        "c0": np.array([0.3, 1.2, 3.0]),
        "c1": np.array([1.0, 10.0, 100.0]),
        "f1": np.array([0.05, 0.1, 0.3]),
        "d1": np.array([0.8, 1.1, 1.4]),
    }


def _linear(x: Values, loss: Array, o: Values) -> Linear:
    """((L - L_T) / gap)^(1/gamma) is linear in A and B."""
    gap = _gap(x["L_T"], x["L_S"], o)
    target = (np.maximum(loss - x["L_T"], 1e-6 * loss) / gap) ** (1 / o["gamma"])
    columns = (x["N"] ** -o["alpha"], x["D"] ** -o["beta"])
    scale = loss * target / (o["gamma"] * np.maximum(loss - x["L_T"], 1e-6 * loss))
    return Linear(np.stack(np.broadcast_arrays(*columns), axis=-1), target, scale)


def _assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "A": c[..., 0], "B": c[..., 1]}


distillation = Law(
    name="distillation",
    formula="L_T + L_T^-c0 * (1 + (L_T/(L_S*d1))^(1/f1))^(-c1*f1) * (A/N^alpha + B/D^beta)^gamma",
    predict=_student,
    params={
        "A": log(),
        "B": log(),
        "alpha": _EXPONENT,
        "beta": _EXPONENT,
        "gamma": Param(0.05, 5.0),
        "c0": Param(-10.0, 20.0),
        "c1": _SHARP,
        "d1": _SHARP,
        "f1": _SHARP,
    },
    variables=("N", "D", "L_T", "L_S"),
    reference="Busbridge et al. 2025, arXiv:2502.08606, eq. 8",
    meaning={
        "N": "parameters of the student",
        "D": "tokens of the distillation",
        "L_T": "loss of the teacher",
        "L_S": "loss that the student would reach on the same tokens without a teacher",
        "c0": "how a weaker teacher takes up the student's own loss",
        "c1": "how much faster where the teacher is weak",
        "d1": "ratio of L_T to L_S at which that sets in",
        "f1": "how sharply it sets in",
    },
    ranges={"N": (1e8, 1e10), "D": (4e9, 5e11), "L_T": (1.9, 3.2), "L_S": (2.0, 3.2)},
    own_units=("L_T", "L_S"),
    seeds=Seeds(_outer, _linear, _assemble),
)
