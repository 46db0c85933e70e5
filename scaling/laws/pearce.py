"""Pearce's bridge from Kaplan to Hoffmann: Hoffmann's law of all parameters, by those without
embeddings.

Reference: Pearce & Song 2024 (arXiv:2406.12907) and its released code: a model of N non-embedding
parameters has N + w N^(1/3) in all, since the embedding grows with the width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws import chinchilla as hoffmann
from scaling.laws.law import Law, Param, Published


def _predict(N: Any, D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, w: Any) -> Any:
    return E + A / (N + w * N ** (1 / 3)) ** alpha + B / D**beta


pearce = Law(
    name="pearce",
    formula="E + A/(N + w*N^(1/3))^alpha + B/D^beta",
    predict=_predict,
    params={
        **hoffmann.chinchilla.params,
        "w": Param(0.0, np.inf, "log", tuple(np.geomspace(1e2, 1e6, 9).tolist())),
    },
    linear=("E", "A", "B"),
    reference="Pearce & Song 2024, arXiv:2406.12907",
    meaning={
        "N": "parameters without embeddings",
        "w": "embedding parameters of a model of one parameter",
    },
)

pearce2024 = Published(
    name="pearce2024",
    law="pearce",
    params={**hoffmann.besiroglu2024.params, "w": 47491},
    reference="Pearce & Song 2024, arXiv:2406.12907",
    read="released code",
    note="E, A, B and the exponents are those of arXiv:2404.10102",
    n_kind="non_embedding",
)
