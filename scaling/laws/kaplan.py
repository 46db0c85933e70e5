"""Kaplan's laws: L(N), L(D), L(C) and L(N, D), power laws without an irreducible loss.

Reference: Kaplan et al. 2020 (arXiv:2001.08361), eq. 1.1 to 1.3 and 1.5. N is non-embedding there,
and compute in PF-days, which are FLOPs here.
The form fits z = aN ln Nc - aN ln N, so its coordinates are the height and slope of a straight line
in the log rather than Nc, which lies many decades outside the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import (
    Array,
    Feature,
    Form,
    Jet,
    Law,
    Linear,
    Param,
    Published,
    Seeds,
    Values,
    exponent,
    free,
    log,
)
from scaling.laws.power import PF_DAY

# Nc = exp(height / aN) must stay a number: a flatter line than this is a constant loss.
_FLATTEST = 0.005
_MEANING = {
    "N": "parameters without embeddings",
    "Nc": "N at which the loss, or its term, is 1",
    "Dc": "D at which the loss, or its term, is 1",
    "Cc": "C at which the loss is 1",
    "aN": "exponent of N",
    "aD": "exponent of D",
    "aC": "exponent of C",
}


def _line_core(y: tuple[Array, ...]) -> Jet:
    return Jet(y[0], (np.ones_like(y[0]),), {})


def _line_law(variable: str, scale: str, slope: str, equation: str) -> Law:
    """(scale / variable)^slope, a straight line of ln L on ln variable."""

    def predict(**p: Any) -> Any:
        return (p[scale] / p[variable]) ** p[slope]

    def encode(p: Values) -> dict[str, Any]:
        return {"height": p[slope] * np.log(p[scale]), slope: p[slope]}

    def decode(c: Values) -> dict[str, Any]:
        return {scale: np.exp(c["height"] / c[slope]), slope: c[slope]}

    def linearise(x: Values, loss: Array, o: Values) -> Linear:
        column = x[variable] ** -o[slope]
        return Linear(column[..., None], loss, loss)

    def assemble(o: Values, c: Array) -> dict[str, Any]:
        return {**o, scale: c[..., 0] ** (1 / o[slope])}

    kind = exponent(lower=_FLATTEST)
    return Law(
        name=f"kaplan_{variable.lower()}",
        formula=f"({scale}/{variable})^{slope}",
        predict=predict,
        params={scale: log(), slope: kind},
        variables=(variable,),
        reference=f"Kaplan et al. 2020, arXiv:2001.08361, eq. {equation}",
        meaning=_MEANING,
        form=Form(
            (Feature("height", slope, variable),),
            _line_core,
            coordinates={"height": free()},
            encode=encode,
            decode=decode,
        ),
        seeds=Seeds(lambda x, loss: {slope: np.array(kind.grid)}, linearise, assemble),
    )


def _surface(N: Any, D: Any, *, Nc: Any, Dc: Any, aN: Any, aD: Any) -> Any:
    return ((Nc / N) ** (aN / aD) + Dc / D) ** aD


def _surface_core(y: tuple[Array, ...]) -> Jet:
    """aD ln(e^zN + e^zD), zN = ratio (ln Nc - ln N), zD = ln Dc - ln D, ratio = aN / aD."""
    n, d, aD = y
    total = np.logaddexp(n, d)
    p, q = np.exp(n - total), np.exp(d - total)
    bend = aD * p * q
    hessian = {(0, 0): bend, (0, 1): -bend, (1, 1): bend, (0, 2): p, (1, 2): q}
    return Jet(aD * total, (aD * p, aD * q, total), hessian)


def _surface_encode(p: Values) -> dict[str, Any]:
    ratio = p["aN"] / p["aD"]
    return {"height": ratio * np.log(p["Nc"]), "ratio": ratio, "Dc": p["Dc"], "aD": p["aD"]}


def _surface_decode(c: Values) -> dict[str, Any]:
    ratio, aD = c["ratio"], c["aD"]
    return {"Nc": np.exp(c["height"] / ratio), "Dc": c["Dc"], "aN": ratio * aD, "aD": aD}


def _surface_linear(x: Values, loss: Array, o: Values) -> Linear:
    """L^(1/aD) is linear in Nc^(aN/aD) and Dc given the exponents."""
    target = loss ** (1 / o["aD"])
    columns = (x["N"] ** -(o["aN"] / o["aD"]), 1 / x["D"] + 0 * o["aD"])
    return Linear(np.stack(np.broadcast_arrays(*columns), axis=-1), target, target / o["aD"])


def _surface_assemble(o: Values, c: Array) -> dict[str, Any]:
    return {**o, "Nc": c[..., 0] ** (o["aD"] / o["aN"]), "Dc": c[..., 1]}


def _surface_exponents(p: Values) -> tuple[Any, Any]:
    """N_opt ~ C^a: at fixed N D the two terms balance where N^(aN/aD) ~ D."""
    total = p["aN"] + p["aD"]
    return p["aD"] / total, p["aN"] / total


def _surface_optimum(C: Any, p: Values) -> Any:
    ratio = p["aN"] / p["aD"]
    return np.exp(
        (np.log(ratio) + ratio * np.log(p["Nc"]) + np.log(C / 6) - np.log(p["Dc"])) / (1 + ratio)
    )


_GRID = np.geomspace(0.02, 1.2, 18)

kaplan_n = _line_law("N", "Nc", "aN", "1.1")
kaplan_d = _line_law("D", "Dc", "aD", "1.2")
kaplan_c = _line_law("C", "Cc", "aC", "1.3")
kaplan = Law(
    name="kaplan",
    formula="((Nc/N)^(aN/aD) + Dc/D)^aD",
    predict=_surface,
    params={
        "Nc": log(),
        "Dc": log(),
        "aN": exponent(lower=_FLATTEST),
        "aD": exponent(lower=_FLATTEST),
    },
    reference="Kaplan et al. 2020, arXiv:2001.08361, eq. 1.5",
    meaning=_MEANING,
    form=Form(
        (Feature("height", "ratio", "N"), Feature("Dc", None, "D"), Feature("aD")),
        _surface_core,
        coordinates={"height": free(), "ratio": Param(0.1, 10.0)},
        encode=_surface_encode,
        decode=_surface_decode,
    ),
    seeds=Seeds(lambda x, loss: {"aN": _GRID, "aD": _GRID}, _surface_linear, _surface_assemble),
    exponents=_surface_exponents,
    optimum=_surface_optimum,
)


def _printed(name: str, law: str, table: str, note: str, **params: float) -> Published:
    return Published(
        name=name,
        law=law,
        params=params,
        reference=f"Kaplan et al. 2020, arXiv:2001.08361, {table}",
        read="transcription of the paper's text",
        note=note,
        n_kind="non_embedding",
    )


_NOTE = "loss on WebText2"

kaplan2020 = _printed(
    "kaplan2020", "kaplan", "table 2", _NOTE, Nc=6.4e13, Dc=1.8e13, aN=0.076, aD=0.103
)
kaplan2020_n = _printed("kaplan2020_n", "kaplan_n", "table 5", _NOTE, Nc=8.8e13, aN=0.076)
kaplan2020_d = _printed("kaplan2020_d", "kaplan_d", "table 5", _NOTE, Dc=5.4e13, aD=0.095)
kaplan2020_c = _printed(
    "kaplan2020_c",
    "kaplan_c",
    "table 5",
    "naive: one batch size for all runs; Cc is printed as 1.6e7 PF-days",
    Cc=1.6e7 * PF_DAY,
    aC=0.057,
)
kaplan2020_cmin = _printed(
    "kaplan2020_cmin",
    "kaplan_c",
    "table 5",
    "C is C_min, at batches far below critical; Cc is printed as 3.1e8 PF-days",
    Cc=3.1e8 * PF_DAY,
    aC=0.050,
)
