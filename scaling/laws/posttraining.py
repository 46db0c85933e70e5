"""Laws of what comes after pre-training: fine-tuning, repeated sampling, reinforcement learning.

References: Zhang et al. 2024 (arXiv:2402.17193); Lin et al. 2024 (arXiv:2402.02314), the rectified
law; Brown et al. 2024 (arXiv:2407.21787); Khatri et al. 2025 (arXiv:2510.13786). Published per
task, so no values are shipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Param, Seeds, Values, exponent, log, positive
from scaling.laws.terms import sigmoid


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
    reference="Zhang et al. 2024, arXiv:2402.17193",
    meaning={
        "N": "parameters of the model, or those tuned, or pre-training tokens (X in the paper)",
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
    reference="Lin et al. 2024, arXiv:2402.02314",
    meaning={
        "D": "fine-tuning examples or tokens",
        "B": "amplitude",
        "Dl": "what pre-training is worth, in units of D^beta",
    },
    seeds=Seeds(_rectified_outer, _rectified_linear, _rectified_assemble),
)

coverage = Law(
    name="coverage",
    formula="exp(a*k^b)",
    predict=lambda k, *, a, b: np.exp(a * k**b),
    params={
        "a": Param(-np.inf, 0.0, "linear", tuple((-np.geomspace(0.01, 30, 30)).tolist())),
        "b": Param(-3.0, 0.0, "linear", tuple((-np.geomspace(0.03, 2, 16)).tolist())),
    },
    variables=("k",),
    reference="Brown et al. 2024, arXiv:2407.21787 (repeated samples)",
    meaning={
        "k": "samples drawn for each problem",
        "coverage": "problems that one sample at least solves",
        "a": "log coverage of one sample",
        "b": "exponent of the samples",
    },
    response="coverage",
    ranges={"k": (1.0, 1e4)},
)


def _reward(C: Any, *, R0: Any, A: Any, Cm: Any, B: Any) -> Any:
    return R0 + (A - R0) * sigmoid(B * (np.log(C) - np.log(Cm)))


rl_sigmoid = Law(
    name="rl_sigmoid",
    formula="R0 + (A - R0)/(1 + (Cm/C)^B)",
    predict=_reward,
    params={
        "R0": Param(0.0, np.inf),
        "A": Param(0.0, np.inf),
        "Cm": Param(0.0, np.inf, "log", (-2.0, -1.2, -0.6, 0.0, 0.6, 1.2, 2.0), "C"),
        "B": Param(1e-3, 10.0, "linear", tuple(np.geomspace(0.05, 6.0, 14).tolist())),
    },
    variables=("C",),
    linear=("R0", "A"),
    reference="Khatri et al. 2025, arXiv:2510.13786",
    meaning={
        "C": "compute of reinforcement learning",
        "reward": "pass rate on held-out problems",
        "R0": "reward at the start",
        "A": "reward that more compute tends to",
        "Cm": "compute at half of the gain",
        "B": "steepness",
    },
    response="reward",
)
