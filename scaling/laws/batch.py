"""Critical batch size, the trade of time for data, and loss by model size and steps.

References: Kaplan et al. 2020 (arXiv:2001.08361), eq. 1.4, 1.6 and 5.1 to 5.4; McCandlish et al.
2018 (arXiv:1812.06162). Batches are in tokens, steps are updates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Param, Published, Seeds, Values, exponent, log

_GRID = np.geomspace(0.02, 1.2, 14)
_SOURCE = "Kaplan et al. 2020, arXiv:2001.08361"
_READ = "transcription of the paper's text"

critical_batch = Law(
    name="critical_batch",
    formula="Bs/x^(1/aB)",
    predict=lambda x, *, Bs, aB: Bs / x ** (1 / aB),
    params={"Bs": log(), "aB": exponent()},
    variables=("x",),
    linear=("Bs",),
    reference=f"{_SOURCE}, eq. 1.4",
    meaning={
        "x": "loss, nats per token",
        "B_crit": "critical batch, tokens",
        "Bs": "critical batch at a loss of 1 (B* in the paper)",
        "aB": "exponent",
    },
    response="B_crit",
    ranges={"x": (2.0, 6.0)},
)

batch_steps = Law(
    name="batch_steps",
    formula="S_min*(1 + B_crit/B)",
    predict=lambda B, *, S_min, B_crit: S_min * (1 + B_crit / B),
    params={
        "S_min": log(),
        "B_crit": Param(0.0, np.inf, "log", (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0), "B"),
    },
    variables=("B",),
    linear=("S_min",),
    reference="McCandlish et al. 2018, arXiv:1812.06162; " + _SOURCE + ", section 5",
    meaning={
        "B": "batch, tokens",
        "steps": "updates that reach a given loss",
        "S_min": "updates with very large batches",
        "B_crit": "critical batch: twice the least steps, and twice the least data",
    },
    response="steps",
    ranges={"B": (1e4, 1e8)},
)


def _steps(N: Any, S: Any, *, Nc: Any, aN: Any, Sc: Any, aS: Any) -> Any:
    return (Nc / N) ** aN + (Sc / S) ** aS


def _linearise(x: Values, loss: Array, o: Values) -> Linear:
    columns = np.broadcast_arrays(x["N"] ** -o["aN"], x["S"] ** -o["aS"])
    return Linear(np.stack(columns, axis=-1), loss, loss)


def _assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "Nc": c[..., 0] ** (1 / o["aN"]), "Sc": c[..., 1] ** (1 / o["aS"])}


kaplan_steps = Law(
    name="kaplan_steps",
    formula="(Nc/N)^aN + (Sc/S)^aS",
    predict=_steps,
    params={
        "Nc": log(),
        "aN": exponent(lower=0.005),
        "Sc": log(),
        "aS": exponent(lower=0.005),
    },
    variables=("N", "S"),
    reference=f"{_SOURCE}, eq. 1.6",
    meaning={
        "N": "parameters without embeddings",
        "S": "updates with very large batches, S_min",
        "Nc": "N at which its term is 1",
        "aN": "exponent of N",
        "Sc": "updates at which their term is 1",
        "aS": "exponent of the updates",
    },
    ranges={"S": (1e3, 1e6)},
    seeds=Seeds(lambda x, loss: {"aN": _GRID, "aS": _GRID}, _linearise, _assemble),
)

kaplan2020_batch = Published(
    name="kaplan2020_batch",
    law="critical_batch",
    params={"Bs": 2.1e8, "aB": 0.21},
    reference=f"{_SOURCE}, table 5",
    read=_READ,
    note="equation 1.4 prints 2e8",
)

kaplan2020_steps = Published(
    name="kaplan2020_steps",
    law="kaplan_steps",
    params={"Nc": 6.5e13, "aN": 0.077, "Sc": 2.1e3, "aS": 0.76},
    reference=f"{_SOURCE}, table 3",
    read=_READ,
    n_kind="non_embedding",
)
