"""Precision: bits of weights, activations and cache as a factor on parameters; quantization after.

Reference: Kumar et al. 2024 (arXiv:2411.04330), findings 1 to 4, eq. 2, 9 and 11, appendix K. The
fitted exponentials have an offset each, exp(n - P/gamma), which the main text leaves out and the
table of constants has; hold them at 0 for the form of the main text.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Law, Param, Published, log, positive

_TEXT = "full text of the paper, appendix K, table 2"

_EXPONENT = Param(1e-4, 2.0, "linear", tuple(np.geomspace(0.08, 1.2, 7).tolist()))
_BITS = Param(0.02, 20.0, "linear", (0.8, 2.0, 3.5))
_ROBUST = Param(0.02, 20.0, "linear", (0.3, 1.0, 3.0))
_OFFSET = Param(-10.0, 10.0, "linear", (0.0, 1.0))
_PARTS = ("w", "a", "kv")


def _kept(values: dict[str, Any]) -> Any:
    """Effective parameters per parameter: the product over what is held in few bits."""
    kept = 1.0
    for x in _PARTS:
        kept = kept * -np.expm1(values[f"n_{x}"] - values[f"P_{x}"] / values[f"gamma_{x}"])
    return kept


def _trained(**v: Any) -> Any:
    effective = v["N"] * _kept(v)
    return v["E"] + v["A"] / effective ** v["alpha"] + v["B"] / v["D"] ** v["beta"]


def _quantized(N: Any, D: Any, P_post: Any, **p: Any) -> Any:
    overtrained = p["gamma_D"] * np.log(D) - p["gamma_N"] * np.log(N)
    return p["C_T"] * np.exp(overtrained - P_post / p["gamma_post"])


def _after(**v: Any) -> Any:
    whole = v["E"] + v["A"] / v["N"] ** v["alpha"] + v["B"] / v["D"] ** v["beta"]
    return whole + _quantized(v["N"], v["D"], v["P_post"], **_only(v, _DAMAGE))


def _unified(**v: Any) -> Any:
    effective = v["N"] * _kept(v)
    robust = 1.0
    for x in _PARTS:
        robust = robust * -np.expm1(-v[f"C_{x}"] * (v[f"P_{x}"] - v["P_post"]))
    damage = _quantized(effective, v["D"], v["P_post"], **_only(v, _DAMAGE))
    return _trained(**_only(v, (*_VARIABLES, *_TRAINING))) + damage * robust


def _only(values: dict[str, Any], names: Any) -> dict[str, Any]:
    return {name: values[name] for name in names}


_VARIABLES = ("N", "D", "P_w", "P_a", "P_kv")
_TRAINING = {
    "E": positive(),
    "A": log(),
    "B": log(),
    "alpha": _EXPONENT,
    "beta": _EXPONENT,
    **{f"gamma_{x}": _BITS for x in _PARTS},
    **{f"n_{x}": _OFFSET for x in _PARTS},
}
_DAMAGE = {"C_T": log(), "gamma_D": _EXPONENT, "gamma_N": _EXPONENT, "gamma_post": _BITS}
_MEANING = {
    "P_w": "bits of the weights in training",
    "P_a": "bits of the activations in training",
    "P_kv": "bits of the keys and values in training",
    "P_post": "bits of the weights after training",
    **{f"gamma_{x}": f"bits over which the loss of P_{x} falls by e" for x in (*_PARTS, "post")},
    **{f"n_{x}": f"offset of the exponential of P_{x}" for x in _PARTS},
    **{f"C_{x}": f"how fast training in few bits P_{x} makes robust" for x in _PARTS},
    "C_T": "amplitude of the damage done by quantization",
    "gamma_D": "exponent of D in that damage",
    "gamma_N": "exponent of N in that damage",
    "loss_increase": "loss after quantization minus loss before",
}

precision = Law(
    name="precision",
    formula="E + A/N_eff^alpha + B/D^beta, N_eff = N prod_x (1 - exp(n_x - P_x/gamma_x)), "
    "x in w, a, kv",
    predict=_trained,
    params=_TRAINING,
    variables=_VARIABLES,
    linear=("E", "A", "B"),
    reference="Kumar et al. 2024, arXiv:2411.04330, finding 2 and appendix K",
    meaning=_MEANING,
    ranges={"N": (3e7, 2e9), "D": (1.5e9, 3e10), **dict.fromkeys(_VARIABLES[2:], (4.0, 12.0))},
    own_units=_VARIABLES[2:],
)

quantization = Law(
    name="quantization",
    formula="C_T * D^gamma_D / N^gamma_N * exp(-P_post/gamma_post)",
    predict=_quantized,
    params=_DAMAGE,
    variables=("N", "D", "P_post"),
    linear=("C_T",),
    reference="Kumar et al. 2024, arXiv:2411.04330, eq. 2",
    meaning=_MEANING,
    response="loss_increase",
    ranges={"P_post": (3.0, 8.0)},
    own_units=("P_post",),
)

quantized = Law(
    name="quantized",
    formula="E + A/N^alpha + B/D^beta + C_T * D^gamma_D / N^gamma_N * exp(-P_post/gamma_post)",
    predict=_after,
    params={**{k: _TRAINING[k] for k in ("E", "A", "B", "alpha", "beta")}, **_DAMAGE},
    variables=("N", "D", "P_post"),
    linear=("E", "A", "B", "C_T"),
    reference="Kumar et al. 2024, arXiv:2411.04330, eq. 1 and 2: trained in full precision",
    meaning=_MEANING,
    ranges={"N": (3e7, 2e9), "D": (1.5e9, 3e10), "P_post": (3.0, 8.0)},
    own_units=("P_post",),
)

precision_quantized = Law(
    name="precision_quantized",
    formula="law precision + C_T D^gamma_D / N_eff^gamma_N exp(-P_post/gamma_post) "
    "prod_x (1 - exp(-C_x (P_x - P_post)))",
    predict=_unified,
    params={**_TRAINING, **_DAMAGE, **{f"C_{x}": _ROBUST for x in _PARTS}},
    variables=(*_VARIABLES, "P_post"),
    linear=("E", "A", "B", "C_T"),
    reference="Kumar et al. 2024, arXiv:2411.04330, eq. 9 and 11",
    meaning=_MEANING,
    ranges={**precision.ranges, "P_post": (2.0, 3.9)},
    own_units=(*_VARIABLES[2:], "P_post"),
)

kumar2024_precision = Published(
    name="kumar2024_precision",
    law="precision",
    params={
        "E": 2.7648,
        "A": 4.299e3,
        "B": 1.806e4,
        "alpha": 0.4965,
        "beta": 0.4965,
        "gamma_w": 2.6745,
        "n_w": 0.3037,
        "gamma_a": 2.2102,
        "n_a": 1.4072,
        "gamma_kv": 0.9578,
        "n_kv": 2.4185,
    },
    reference="Kumar et al. 2024, arXiv:2411.04330, table 2",
    read=_TEXT,
    note="integer types; alpha and beta tied; the table calls activations i; offsets are taken as "
    "exp(n - P/gamma), the sign at which 3 bits of activations leave next to nothing, as reported",
    ranges=precision.ranges,
)

kumar2024_quantization = Published(
    name="kumar2024_quantization",
    law="quantization",
    params={
        "C_T": 0.0598 * float(np.exp(1.1277)),
        "gamma_D": 0.5068,
        "gamma_N": 0.3439,
        "gamma_post": 0.5907,
    },
    reference="Kumar et al. 2024, arXiv:2411.04330, table 2",
    read=_TEXT,
    note="GPTQ of models trained in high precision; C_T is the table's .0598 times exp(b), b = "
    "1.1277 its offset of the exponential, with the sign of the others",
)

kumar2024_quantized = Published(
    name="kumar2024_quantized",
    law="quantized",
    params={
        **{k: kumar2024_precision.params[k] for k in ("E", "A", "B", "alpha", "beta")},
        **kumar2024_quantization.params,
    },
    reference="Kumar et al. 2024, arXiv:2411.04330, table 2",
    read=_TEXT,
    note="both of the above together: trained in so many bits that no parameter is lost, then GPTQ",
    ranges=quantized.ranges,
)
