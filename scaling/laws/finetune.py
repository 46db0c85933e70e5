"""Laws of fine-tuning: by model and data, and by data with what pre-training was worth.

References: Zhang et al. 2024 (arXiv:2402.17193); Lin et al. 2024 (arXiv:2402.02314), the rectified
law. Published per task, so no values are shipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Seeds, Values, exponent, log, positive


def _rectified_outer(x: Values, loss: Array) -> dict[str, Array]:
    """Dl^(1/beta) is where the curve bends: all over the data's range."""
    logs = np.log(x["D"])
    return {
        "bend": np.exp(np.linspace(logs.min() - 1, logs.max(), 14)),
        "beta": np.array(exponent().grid),
    }


def _rectified_linear(x: Values, loss: Array, o: Values) -> Linear:
    column = 1 / (o["bend"] ** o["beta"] + x["D"] ** o["beta"])
    columns = np.broadcast_arrays(np.ones_like(loss), column)
    return Linear(np.stack(columns, axis=-1), loss, loss)


def _rectified_assemble(o: Values, c: Array) -> dict[str, Any]:
    return {"beta": o["beta"], "Dl": o["bend"] ** o["beta"], "E": c[..., 0], "B": c[..., 1]}


finetune = Law(
    name="finetune",
    formula="A/(N^alpha * D^beta) + E",
    predict=lambda N, D, *, E, A, alpha, beta: A * N**-alpha * D**-beta + E,
    params={"E": positive(), "A": log(), "alpha": exponent(), "beta": exponent()},
    linear=("E", "A"),
    reference="Zhang et al. 2024, arXiv:2402.17193, eq. 1",
    meaning={
        "N": "parameters of the model, or pre-training tokens, or tuned parameters (X in the paper)",
        "D": "fine-tuning tokens",
        "A": "amplitude",
    },
    ranges={"D": (1e4, 1e8)},
)

rectified = Law(
    name="rectified",
    formula="B/(Dl + D^beta) + E",
    predict=lambda D, *, E, B, Dl, beta: B / (Dl + D**beta) + E,
    params={"E": positive(), "B": log(), "Dl": log(), "beta": exponent()},
    variables=("D",),
    linear=("E", "B"),
    reference="Lin et al. 2024, arXiv:2402.02314, eq. 4",
    meaning={
        "D": "fine-tuning examples or tokens",
        "B": "amplitude",
        "Dl": "what pre-training is worth, in units of D^beta",
    },
    seeds=Seeds(_rectified_outer, _rectified_linear, _rectified_assemble),
)
