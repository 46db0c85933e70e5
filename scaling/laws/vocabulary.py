"""Vocabulary: the loss with parameters of the embedding apart, and the best size of it.

Reference: Tao et al. 2024 (arXiv:2407.13623), approaches 1 to 3. The loss is normalised by that of
a unigram model, so that vocabularies compare, and is negative: fit with `on="loss"`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Law, Param, Published, free, log
from scaling.laws.products import product_law, slope

_CODE = "released code, sail-sg/scaling-with-vocab, optimal_Nv_predict.py"
_EXPONENT = Param(1e-4, 3.0, "linear", tuple(np.geomspace(0.05, 1.5, 12).tolist()))
_AT = 33e6  # parameters of the model that approach 2 starts from


def _loss(
    N_nv: Any, N_v: Any, D: Any, *, E: Any, A1: Any, A2: Any, B: Any, beta: Any, alpha2: Any
) -> Any:
    return E + A1 / N_nv**beta + A2 / N_v**alpha2 + B / D**beta


def _derivative(N_nv: Any, *, N_v0: Any, gamma: Any) -> Any:
    return N_v0 * (N_nv / _AT) ** gamma


_MEANING = {
    "N_nv": "parameters outside the vocabulary",
    "N_v": "parameters of the vocabulary: words times width",
    "E": "loss in the limit, below that of the unigram model and so negative",
    "A1": "amplitude of the term of N_nv",
    "A2": "amplitude of the term of N_v",
    "beta": "exponent of N_nv and of D",
    "alpha2": "exponent of N_v",
    "N_v0": "best N_v of a model with N_nv = 33e6",
    "gamma": "exponent of N_nv: below 1, large models want a relatively smaller vocabulary",
}

vocabulary = Law(
    name="vocabulary",
    formula="E + A1/N_nv^beta + A2/N_v^alpha2 + B/D^beta",
    predict=_loss,
    params={
        "E": free(),
        "A1": log(),
        "A2": log(),
        "B": log(),
        "beta": _EXPONENT,
        "alpha2": _EXPONENT,
    },
    variables=("N_nv", "N_v", "D"),
    linear=("E", "A1", "A2", "B"),
    reference="Tao et al. 2024, arXiv:2407.13623, approach 3 (exponents of N_nv and D tied)",
    meaning=_MEANING,
    ranges={"N_nv": (33.0, 3e3), "N_v": (2.0, 100.0), "D": (0.05, 130.0)},
)

vocabulary_of_compute = product_law(
    "vocabulary_of_compute",
    "N_v",
    {"C": "a"},
    "Tao et al. 2024, arXiv:2407.13623, approach 1",
    meaning=_MEANING,
)

vocabulary_of_size = Law(
    name="vocabulary_of_size",
    formula="N_v0*(N_nv/33e6)^gamma",
    predict=_derivative,
    params={"N_v0": log(), "gamma": slope()},
    variables=("N_nv",),
    linear=("N_v0",),
    reference="Tao et al. 2024, arXiv:2407.13623, approach 2",
    meaning=_MEANING,
    response="N_v",
    ranges={"N_nv": (33e6, 1e11)},
)

tao2024 = Published(
    name="tao2024",
    law="vocabulary",
    params={
        "E": -5.5327846803337435,
        "A1": 1.8313851559554126,
        "A2": 0.19584238398665638,
        "B": 2.1241123120064955,
        "beta": 0.44660634152009615,
        "alpha2": 0.6707374679896795,
    },
    reference="Tao et al. 2024, arXiv:2407.13623, approach 3",
    read=_CODE,
    note="N_nv and N_v in millions, D in billions of tokens; the paper writes -E. D of the fit is "
    "characters times f(V), V in thousands there: .0064 ln^2 V - .1581 ln V + 1.2047",
)

tao2024_compute = Published(
    name="tao2024_compute",
    law="vocabulary_of_compute",
    params={"k": float(np.exp(-1.589031299255507)), "a": 0.4163622634135234},
    reference="Tao et al. 2024, arXiv:2407.13623, approach 1",
    read=_CODE,
    note="N_v in parameters; the code has ln k, with N_nv = e^-2.4846510 C^.5",
)

tao2024_size = Published(
    name="tao2024_size",
    law="vocabulary_of_size",
    params={"N_v0": 3145728.0, "gamma": 0.8353974035228025},
    reference="Tao et al. 2024, arXiv:2407.13623, approach 2",
    read=_CODE,
    note="N_nv and N_v in parameters",
)
