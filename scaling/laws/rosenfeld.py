"""Rosenfeld's law: a power law in data and in model size that saturates at chance.

Reference: Rosenfeld et al. 2020 (arXiv:1909.12673): eps = eps0 |t/(t - i eta)| with
t = a n^-alpha + b m^-beta + c, for n examples and m parameters. t and eta enter by their ratio
only, so eta is 1 here and a, b and c are in its units. t is positive, hence the modulus is
t/sqrt(t^2 + 1), which is analytic. Published per data set; no values were read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Seeds, Values, exponent, log, positive

_GRID = np.geomspace(0.05, 1.2, 10)


def _predict(N: Any, D: Any, *, eps0: Any, a: Any, b: Any, c: Any, alpha: Any, beta: Any) -> Any:
    t = a * D**-alpha + b * N**-beta + c
    return eps0 * t / np.sqrt(t * t + 1)


def _outer(x: Values, loss: Array) -> dict[str, Array]:
    return {
        "eps0": loss.max() * np.array([1.001, 1.02, 1.1, 1.4, 2.5, 6.0, 20.0]),
        "alpha": _GRID,
        "beta": _GRID,
    }


def _linearise(x: Values, loss: Array, o: Values) -> Linear:
    """t = r/sqrt(1 - r^2) of r = eps/eps0 is linear in a, b and c."""
    ratio = loss / o["eps0"]
    target = ratio / np.sqrt(1 - ratio**2)
    columns = np.broadcast_arrays(x["D"] ** -o["alpha"], x["N"] ** -o["beta"], np.ones_like(target))
    return Linear(np.stack(columns, axis=-1), target, target * (1 + target**2))


def _assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "a": c[..., 0], "b": c[..., 1], "c": c[..., 2]}


rosenfeld = Law(
    name="rosenfeld",
    formula="eps0*t/sqrt(t^2 + 1), t = a*D^-alpha + b*N^-beta + c",
    predict=_predict,
    params={
        "eps0": log(),
        "a": log(),
        "b": log(),
        "c": positive(),
        "alpha": exponent(),
        "beta": exponent(),
    },
    linear=("eps0",),
    reference="Rosenfeld et al. 2020, arXiv:1909.12673",
    meaning={
        "eps0": "error of chance",
        "a": "amplitude of the data, in units of eta",
        "b": "amplitude of the model, in units of eta",
        "c": "irreducible part, in units of eta",
        "alpha": "exponent of the data",
        "beta": "exponent of the model",
    },
    seeds=Seeds(_outer, _linearise, _assemble),
)
