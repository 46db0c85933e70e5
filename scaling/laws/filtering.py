"""Filtered and pruned data: how much quality is worth when good data run out.

References: Goyal et al. 2024 (arXiv:2404.07177, eq. 3; locuslab/scaling_laws_data_filtering);
Sorscher et al. 2022 (arXiv:2206.14486). Sorscher's theory has no closed form over the fraction
kept: each fraction has a power law of its own, so fit `pruned` with one group a fraction
(`fit_groups(law, table, by="fraction", share=["E"])`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Law, Param, Published, exponent, log, positive

_RESULTS = "released results, locuslab/scaling_laws_data_filtering, results/parameter_values.jsonl"


def _repeated(D: Any, D_unique: Any, *, a: Any, b: Any, d: Any, tau: Any) -> Any:
    """a n_1^-b prod_j (n_j/n_(j-1))^-b_j + d, n_j = min(j D_unique, D), b_j = b 2^(-(j-1)/tau)."""
    epochs = int(np.ceil(np.max(np.real(D) / np.real(D_unique)) - 1e-9))
    seen = _least(D, D_unique)
    worth = np.log(seen)
    for j in range(1, epochs):
        more = _least(D, (j + 1) * D_unique)
        worth = worth + np.exp(-np.log(2.0) * j / tau) * (np.log(more) - np.log(seen))
        seen = more
    return a * np.exp(-b * worth) + d


def _least(one: Any, other: Any) -> Any:
    return np.where(np.real(one) < np.real(other), one, other)


def _pruned(D: Any, *, E: Any, A: Any, alpha: Any) -> Any:
    return E + A / D**alpha


repeated_pool = Law(
    name="repeated_pool",
    formula="a n_1^-b prod_j (n_j/n_(j-1))^-b_j + d, n_j = min(j D_unique, D), "
    "b_j = b 2^(-(j-1)/tau), j = 2, 3, ... epochs",
    predict=_repeated,
    params={
        "a": log(),
        "b": exponent(),
        "d": positive(),
        "tau": Param(0.05, 1e3, "log", tuple(np.geomspace(0.5, 60.0, 10).tolist())),
    },
    variables=("D", "D_unique"),
    linear=("a", "d"),
    reference="Goyal et al. 2024, arXiv:2404.07177, eq. 3",
    meaning={
        "D": "samples seen",
        "D_unique": "samples of the pool",
        "error": "part of the images that are named wrong, zero-shot",
        "a": "amplitude",
        "b": "utility of the pool: its exponent at first sight",
        "d": "error that no data take away",
        "tau": "epochs after which the utility is halved",
    },
    response="error",
    ranges={"D": (1e7, 6.4e8), "D_unique": (1.2e7, 1.3e8)},
    own_units=("D", "D_unique"),  # one unit for both
)

pruned = Law(
    name="pruned",
    formula="E + A/D^alpha",
    predict=_pruned,
    params={"E": positive(), "A": log(), "alpha": exponent()},
    variables=("D",),
    linear=("E", "A"),
    reference="Sorscher et al. 2022, arXiv:2206.14486, at one fraction kept",
    meaning={
        "D": "examples left after pruning",
        "error": "part of the test examples that are wrong",
        "E": "error that no data take away",
        "A": "amplitude",
        "alpha": "exponent of D, larger where the pruning is good",
    },
    response="error",
)


def _pool(which: str, b: float, tau: float) -> Published:
    return Published(
        name=f"goyal2024_{which}",
        law="repeated_pool",
        params={"a": (0.025 / 1e5) ** -b, "b": b, "d": 0.1, "tau": tau},
        reference="Goyal et al. 2024, arXiv:2404.07177",
        read=_RESULTS,
        note="ImageNet error of CLIP on buckets of a pool by T-MARS score; the code writes "
        "(0.025 n/1e5)^-b, so a = (0.025/1e5)^-b",
    )


goyal2024_top10 = _pool("top10", 0.16, 6.7272727272727275)
goyal2024_top20 = _pool("top20", 0.125, 8.545454545454547)
goyal2024_top30 = _pool("top30", 0.1, 5.2727272727272725)
goyal2024_top40 = _pool("top40", 0.085, 2.2727272727272725)
