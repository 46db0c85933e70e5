"""Power laws of one variable: with an irreducible loss, without one, and for allocations.

References: Hestness et al. 2017 (arXiv:1712.00409); Henighan et al. 2020 (arXiv:2010.14701); Porian
et al. 2024 (arXiv:2406.19146); Kaplan et al. 2020 (arXiv:2001.08361), table 6. Hestness' and
Henighan's tables of parameters were not read, and Porian's prefactors are not printed, so of these
only Kaplan's allocation is shipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import (
    Array,
    Feature,
    Form,
    Law,
    Linear,
    Param,
    Published,
    Seeds,
    Values,
    exponent,
    log,
    positive,
)
from scaling.laws.products import product_law
from scaling.laws.terms import sum_core, sum_form

PF_DAY = 8.64e19  # FLOPs of a petaFLOP/s-day

hestness = Law(
    name="hestness",
    formula="a*D^b + g",
    predict=lambda D, *, a, b, g: a * D**b + g,
    params={"g": positive(), "a": log(), "b": Param(-2.0, -1e-4)},
    variables=("D",),
    linear=("a", "g"),
    reference="Hestness et al. 2017, arXiv:1712.00409",
    meaning={
        "D": "training examples or tokens (m in the paper)",
        "a": "amplitude",
        "b": "exponent, below 0",
        "g": "irreducible error",
    },
    form=Form(
        (Feature("g"), Feature("a", "fall", "D")),
        sum_core,
        coordinates={"fall": exponent()},
        encode=lambda p: {"g": p["g"], "a": p["a"], "fall": -p["b"]},
        decode=lambda c: {"g": c["g"], "a": c["a"], "b": -c["fall"]},
    ),
    seeds=Seeds(
        lambda x, loss: {"b": -np.array(exponent().grid)},
        lambda x, loss, o: Linear(
            np.stack(np.broadcast_arrays(np.ones_like(loss), x["D"] ** o["b"]), axis=-1), loss, loss
        ),
        lambda o, c: {**o, "g": c[..., 0], "a": c[..., 1]},
    ),
)


def _henighan_encode(p: Values) -> dict[str, Any]:
    return {"Linf": p["Linf"], "A": p["x0"] ** p["ax"], "ax": p["ax"]}


def _henighan_decode(c: Values) -> dict[str, Any]:
    return {"Linf": c["Linf"], "x0": c["A"] ** (1 / c["ax"]), "ax": c["ax"]}


_FALL = exponent(lower=0.005)  # x0 = A^(1/ax) must stay a number


def _henighan_linear(x: Values, loss: Array, o: Values) -> Linear:
    columns = np.broadcast_arrays(np.ones_like(loss), x["x"] ** -o["ax"])
    return Linear(np.stack(columns, axis=-1), loss, loss)


henighan = Law(
    name="henighan",
    formula="Linf + (x0/x)^ax",
    predict=lambda x, *, Linf, x0, ax: Linf + (x0 / x) ** ax,
    params={"Linf": positive(), "x0": log(), "ax": _FALL},
    variables=("x",),
    linear=("Linf",),
    reference="Henighan et al. 2020, arXiv:2010.14701",
    meaning={
        "x": "N, D or C",
        "Linf": "irreducible loss",
        "x0": "the x at which the reducible loss is 1",
        "ax": "exponent",
    },
    form=Form(
        (Feature("Linf"), Feature("A", "ax", "x")),
        sum_core,
        coordinates={"A": log()},
        encode=_henighan_encode,
        decode=_henighan_decode,
    ),
    seeds=Seeds(
        lambda x, loss: {"ax": np.array(_FALL.grid)},
        _henighan_linear,
        lambda o, c: {**o, "Linf": c[..., 0], "x0": c[..., 1] ** (1 / o["ax"])},
    ),
)

porian_loss = Law(
    name="porian_loss",
    formula="E + l0*C^-alpha",
    predict=lambda C, *, E, l0, alpha: E + l0 * C**-alpha,
    params={"E": positive(), "l0": log(), "alpha": exponent()},
    variables=("C",),
    linear=("E", "l0"),
    reference="Porian et al. 2024, arXiv:2406.19146 (loss of the optimum)",
    meaning={"l0": "amplitude", "alpha": "exponent of compute"},
    form=sum_form(Feature("l0", "alpha", "C")),
)

porian_allocation = product_law(
    "porian_allocation",
    "N_opt",
    {"C": "a"},
    "Porian et al. 2024, arXiv:2406.19146 (weighted log-log fit of the minima)",
    meaning={"N_opt": "compute-optimal parameters"},
)

kaplan_allocation = product_law(
    "kaplan_allocation",
    "N_opt",
    {"C": "p"},
    "Kaplan et al. 2020, arXiv:2001.08361, table 6",
    meaning={"N_opt": "compute-optimal parameters without embeddings"},
)

kaplan2020_allocation = Published(
    name="kaplan2020_allocation",
    law="kaplan_allocation",
    params={"k": 1.3e9 / PF_DAY**0.73, "p": 0.73},
    reference="Kaplan et al. 2020, arXiv:2001.08361, table 6",
    read="transcription of the paper's text",
    note="printed as 1.3e9 (C_min / PF-day)^0.73",
    n_kind="non_embedding",
)
