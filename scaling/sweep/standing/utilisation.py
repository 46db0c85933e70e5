"""How well the runs of a study used their devices: what their records tell of MFU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scaling.errors import InputError
from scaling.sweep.storing.index import look
from scaling.sweep.storing.store import Store


class Used(NamedTuple):
    """MFU of all runs together (FLOPs spent over what their devices could have done meanwhile), and
    of the 5 % that did worst and best."""

    point: float
    least: float
    most: float
    runs: int


def utilisation(folder: str) -> Used:
    """Of the runs that have it in their records, which are only read. Raises InputError where none
    has."""
    store = Store(folder)
    store.must_be()
    records = filter(None, map(store.record, look(store.folder).rows["run"].to_pylist()))
    found = [(item["mfu"], item["flops_spent"]) for item in records if item.get("mfu")]
    if not found:
        raise InputError(f"{folder}: no run of this study has an MFU in its record")
    mfu, flops = (np.array(values, dtype=float) for values in zip(*found, strict=True))
    least, most = np.quantile(mfu, [0.05, 0.95], method="inverted_cdf").tolist()
    point = float(flops.sum() / (flops / mfu).sum())
    return Used(point, min(least, point), max(most, point), len(mfu))
