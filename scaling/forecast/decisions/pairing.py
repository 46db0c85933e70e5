"""Runs of several groups under one seed at one place of their ladders: drawn together, so that what
the seed did to both cancels in their difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.fit.draws import clusters_of, shared_weights

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Place = tuple[str, float, float]  # seed, N and D, or ranks of these

EXACT = "seed, N and D"
RANKS = "seed and the rank of N and D in their ladders"


@dataclass(frozen=True, eq=False)
class Pairing:
    """Which clusters of which groups are drawn together.

    units: by group, the unit of each of its clusters, numbered over all groups. pairs: units that
    two groups or more hold. alike: what the runs of a unit share, in words.

    That units are drawn, not runs, is right whether or not their noise is shared: where it is not,
    it adds nothing to the covariance of the groups' estimates.
    """

    units: Mapping[str, Index]
    pairs: int
    alike: str

    def __str__(self) -> str:
        count = {name: len(units) for name, units in self.units.items()}
        of = ", ".join(f"{name} {number}" for name, number in count.items())
        return (
            f"paired: {self.pairs} runs or trunks have a partner of the same {self.alike} in "
            f"another group (of {of}) and are resampled with it"
        )

    def to_dict(self) -> dict[str, Any]:
        clusters = {name: len(units) for name, units in self.units.items()}
        return {"pairs": self.pairs, "alike": self.alike, "clusters": clusters}

    def drawn(
        self, parts: Mapping[str, pd.DataFrame], N: str, need: int, draws: int, seed: int
    ) -> dict[str, Array]:
        """How often each cluster of each group is in each replicate: by group [draws, clusters]."""
        groups = []
        for name, units in self.units.items():
            part = parts[name]
            places = part[[N, "D"]].to_numpy(dtype=float)
            points = np.unique(places, axis=0, return_inverse=True)[1].ravel()
            groups.append((units[clusters_of(part)[1]], points.astype(np.intp), need))
        weights = shared_weights(groups, draws, seed)
        return {name: weights[:, units] for name, units in self.units.items()}


def labelled(part: pd.DataFrame) -> pd.DataFrame:
    """The rows with a name for each run, so that their clusters have one order wherever they are
    read: in a table that names none each row is a run."""
    if {"run", "trunk"} & set(part.columns):
        return part
    named = part.assign(run=[f"{i:09d}" for i in range(len(part))])
    named.attrs = dict(part.attrs)
    return named


def pairing(parts: Mapping[str, pd.DataFrame], N: str = "N") -> Pairing | None:
    """The pairs of the groups' runs; None where they share no seed.

    A run (or trunk, by its shortest run) has a partner of the same seed, N and D; where no two
    groups share these, as families of other sizes, of the same seed and rank of N and D. One whose
    place another of its own group has too is drawn alone.
    """
    if any("seed" not in part.columns for part in parts.values()):
        return None
    for ranks, alike in ((False, EXACT), (True, RANKS)):
        places = {name: _places(part, N, ranks) for name, part in parts.items()}
        held = Counter(key for keys in places.values() for key in keys if key is not None)
        pairs = sum(count > 1 for count in held.values())
        if pairs:
            return Pairing(_numbered(places), pairs, alike)
    return None


def _places(part: pd.DataFrame, N: str, ranks: bool) -> list[Place | None]:
    """Seed, N and D of each cluster, or ranks for the last two; None for one without a seed, or
    whose place is not its own."""
    frame = part.assign(_cluster=clusters_of(part)[1], _n=part[N], _d=part["D"])
    first = frame.sort_values(["_cluster", "_d"], kind="stable").groupby("_cluster").first()
    if ranks:
        first["_d"] = first.groupby("_n")["_d"].rank(method="dense")
        first["_n"] = first["_n"].rank(method="dense")
    keys = [
        (str(seed), float(n), float(d)) if pd.notna(seed) else None
        for seed, n, d in zip(first["seed"], first["_n"], first["_d"], strict=True)
    ]
    count = Counter(keys)
    return [key if key is not None and count[key] == 1 else None for key in keys]


def _numbered(places: Mapping[str, list[Place | None]]) -> dict[str, Index]:
    """The unit of each cluster, in the order in which groups first show them."""
    number: dict[Any, int] = {}
    return {
        name: np.array(
            [
                number.setdefault((name, i) if key is None else key, len(number))
                for i, key in enumerate(keys)
            ],
            dtype=np.intp,
        )
        for name, keys in places.items()
    }
