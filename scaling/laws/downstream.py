"""Downstream tasks: from size or compute to the loss on a task, and from it to accuracy.

References: Bhagia et al. 2024, task ladder (arXiv:2412.04403, eq. 1 and 2); Llama team 2024
(arXiv:2407.21783, section 3.2.1), in two steps likewise; Ruan et al. 2024, observational laws
(arXiv:2405.10938, eq. 3 and 4). All constants of these papers belong to one task each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scaling.laws import chinchilla as hoffmann
from scaling.laws.law import Law, Param, free, place, positive
from scaling.laws.terms import sigmoid

_STEEPNESS = Param(0.0, np.inf, "log", tuple(np.geomspace(0.3, 60.0, 10).tolist()))


def _accuracy(task_loss: Any, *, a: Any, b: Any, k: Any, l0: Any) -> Any:
    return b + a * sigmoid(k * (l0 - task_loss))


def _of_compute(C: Any, *, a: Any, b: Any) -> Any:
    return a - b * np.log(C)


def _observed(C: Any, *, h: Any, C_mid: Any, beta: Any) -> Any:
    return h * sigmoid(beta * (np.log(C_mid) - np.log(C)))


task_loss = replace(
    hoffmann.chinchilla,
    name="task_loss",
    reference="Bhagia et al. 2024, arXiv:2412.04403, eq. 1",
    meaning={"task_loss": "loss of the task's right answer, for example bits per byte"},
    response="task_loss",
)

task_accuracy = Law(
    name="task_accuracy",
    formula="b + a/(1 + exp(k*(task_loss - l0)))",
    predict=_accuracy,
    params={
        "a": positive(),
        "b": positive(),
        "k": _STEEPNESS,
        "l0": place("task_loss"),
    },
    variables=("task_loss",),
    linear=("a", "b"),
    reference="Bhagia et al. 2024, arXiv:2412.04403, eq. 2 (its k and a have the opposite sign)",
    meaning={
        "task_loss": "loss of the task's right answer, for example bits per byte",
        "accuracy": "part of the answers that are right",
        "a": "how far the accuracy rises",
        "b": "accuracy of a model that knows nothing",
        "k": "steepness of the rise",
        "l0": "loss in the middle of the rise",
    },
    response="accuracy",
    ranges={"task_loss": (0.3, 2.5)},
    own_units=("task_loss",),
)

task_loss_of_compute = Law(
    name="task_loss_of_compute",
    formula="a - b*ln(C)",
    predict=_of_compute,
    params={"a": free(), "b": positive()},
    variables=("C",),
    linear=("a", "b"),
    reference="Llama team 2024, arXiv:2407.21783, section 3.2.1",
    meaning={
        "task_loss": "negative log-likelihood of the task's right answer, per character",
        "a": "loss where ln C is 0",
        "b": "what a factor e of compute takes off it",
    },
    response="task_loss",
)

observational = Law(
    name="observational",
    formula="h/(1 + (C/C_mid)^beta)",
    predict=_observed,
    params={
        "h": positive(),
        "C_mid": Param(0.0, np.inf, "log", tuple(np.geomspace(1e12, 1e27, 31).tolist())),
        "beta": Param(1e-3, 10.0, "linear", tuple(np.geomspace(0.05, 3.0, 9).tolist())),
    },
    variables=("C",),
    linear=("h",),
    reference="Ruan et al. 2024, arXiv:2405.10938, eq. 3 with 4 put in",
    meaning={
        "C": "compute of one model family, or that which it would need to be as capable "
        "(f-equivalent FLOPs)",
        "error": "part of the answers that are wrong",
        "h": "error of a model that knows nothing",
        "C_mid": "compute at which the error is half of h",
        "beta": "how the logit of the error falls with ln C",
    },
    response="error",
)
