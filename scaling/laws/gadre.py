"""Gadre's laws for over-trained models: loss by tokens per parameter, and error by loss.

Reference: Gadre et al. 2024 (arXiv:2403.08540). With M = D/N and C = 6ND the loss is
E + (a M^eta + b M^-eta) C^-eta = E + a 6^-eta N^(-2 eta) + b 6^-eta D^(-2 eta): Hoffmann's law with
one exponent 2 eta, fitted through those coordinates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws import chinchilla as hoffmann
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
from scaling.laws.terms import sum_form


def _loss(N: Any, D: Any, *, E: Any, a: Any, b: Any, eta: Any) -> Any:
    M, C = D / N, 6 * N * D
    return E + (a * M**eta + b * M**-eta) * C**-eta


def _encode(p: Values) -> dict[str, Any]:
    shrink = 6.0 ** -p["eta"]
    return {"E": p["E"], "A": p["a"] * shrink, "B": p["b"] * shrink, "alpha": 2 * p["eta"]}


def _decode(c: Values) -> dict[str, Any]:
    eta = c["alpha"] / 2
    return {"E": c["E"], "a": c["A"] * 6.0**eta, "b": c["B"] * 6.0**eta, "eta": eta}


def _linearise(x: Values, loss: Array, o: Values) -> Linear:
    columns = np.broadcast_arrays(
        np.ones_like(loss),
        (6 * x["N"] ** 2) ** -o["eta"],
        (6 * x["D"] ** 2) ** -o["eta"],
    )
    return Linear(np.stack(columns, axis=-1), loss, loss)


def _assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "E": c[..., 0], "a": c[..., 1], "b": c[..., 2]}


def _optimum(C: Any, p: Values) -> Any:
    assert hoffmann.chinchilla_tied.optimum is not None  # for the type checker
    return hoffmann.chinchilla_tied.optimum(C, _encode(p))


_ETA = exponent(upper=1.0)
_FORM = sum_form(Feature("A", "alpha", "N"), Feature("B", "alpha", "D"))

gadre = Law(
    name="gadre",
    formula="E + (a*M^eta + b*M^-eta)*C^-eta, M = D/N, C = 6ND",
    predict=_loss,
    params={"E": positive(), "a": log(), "b": log(), "eta": _ETA},
    linear=("E", "a", "b"),
    reference="Gadre et al. 2024, arXiv:2403.08540",
    meaning={
        "a": "amplitude of the term of N",
        "b": "amplitude of the term of D",
        "eta": "exponent of compute; that of N and of D is twice as large",
    },
    form=Form(
        _FORM.features,
        _FORM.core,
        coordinates=hoffmann.chinchilla_tied.params,
        encode=_encode,
        decode=_decode,
    ),
    seeds=Seeds(lambda x, loss: {"eta": np.array(_ETA.grid)}, _linearise, _assemble),
    exponents=lambda p: (0.5 + 0 * p["eta"], 0.5 + 0 * p["eta"]),
    optimum=_optimum,
)

gadre_error = Law(
    name="gadre_error",
    formula="eps - k*exp(-g*x)",
    predict=lambda x, *, eps, k, g: eps - k * np.exp(-g * x),
    params={
        "eps": Param(0.0, 1.0),
        "k": log(),
        "g": Param(1e-3, 50.0, "log", tuple(np.geomspace(0.05, 10, 24).tolist())),
    },
    variables=("x",),
    linear=("eps", "k"),
    reference="Gadre et al. 2024, arXiv:2403.08540",
    meaning={
        "x": "validation loss, nats per token",
        "error": "top-1 error averaged over tasks",
        "eps": "error at high loss",
        "k": "how far the error falls",
        "g": "how fast it falls with the loss",
    },
    response="error",
    ranges={"x": (2.0, 6.0)},
    own_units=("x",),
)


def _printed(name: str, law: str, note: str, **params: float) -> Published:
    return Published(
        name=name,
        law=law,
        params=params,
        reference="Gadre et al. 2024, arXiv:2403.08540, table of fitted coefficients",
        read="refitted to the released runs, mlfoundations/scaling: equal to the printed digits",
        note=note,
    )


gadre2024_c4 = _printed(
    "gadre2024_c4", "gadre", "trained and evaluated on C4", E=1.51, a=141, b=190, eta=0.121
)
gadre2024_redpajama = _printed(
    "gadre2024_redpajama",
    "gadre",
    "trained on RedPajama, evaluated on C4",
    E=1.84,
    a=212,
    b=367,
    eta=0.136,
)
gadre2024_refinedweb = _printed(
    "gadre2024_refinedweb",
    "gadre",
    "trained on RefinedWeb, evaluated on C4",
    E=1.73,
    a=157,
    b=246,
    eta=0.127,
)
gadre2024_error_c4 = _printed(
    "gadre2024_error_c4", "gadre_error", "trained on C4; 17 tasks", eps=0.850, k=2.08, g=0.756
)
gadre2024_error_redpajama = _printed(
    "gadre2024_error_redpajama",
    "gadre_error",
    "trained on RedPajama; 17 tasks",
    eps=0.857,
    k=2.21,
    g=0.715,
)
gadre2024_error_refinedweb = _printed(
    "gadre2024_error_refinedweb",
    "gadre_error",
    "trained on RefinedWeb; 17 tasks",
    eps=0.865,
    k=2.21,
    g=0.707,
)
