"""What a run's history and summary records come to: arrays over all rows; the last values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling.importers.contract import Scalar
from scaling.importers.nested import flat
from scaling.importers.wandb_items import VALUE, heads_of, numbers, plain, together

# W&B's clock, in every row: left out, since a quarter of all numbers. A run's seconds are in its
# summary (`_runtime`).
CLOCK = frozenset({"_timestamp", "_runtime"})
LAST = 4  # distinct summary records: what they name is likely all there is


class Curves:
    """Grows by batches of records, a row each."""

    def __init__(self) -> None:
        self._parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._rows = 0

    def add(self, records: Sequence[bytes]) -> None:
        if not records:
            return
        text, found = together(records)
        values = {name: each for name, each in found.items() if name not in CLOCK}
        for name, part in zip(values, numbers(text, list(values.values())), strict=True):
            if len(part[0]):
                self._parts.setdefault(name, []).append((self._rows + part[0], part[1]))
        letters = np.frombuffer(text + b" ", np.uint8)
        for name, each in values.items():
            for at in np.flatnonzero(letters[each.starts] == ord("{")).tolist():
                start = int(each.starts[at])
                value = text[start : start + int(each.sizes[at])]
                self._nest(name, self._rows + int(each.rows[at]), value)
        self._rows += len(records)

    def _nest(self, name: str, row: int, value: bytes) -> None:
        """Older files keep what was logged under one name as one object."""
        for path, number in plain_values({name: json.loads(value)}).items():
            if isinstance(number, int | float):
                self._parts.setdefault(path, []).append((np.array([row]), np.array([number])))

    def arrays(self) -> Mapping[str, np.ndarray]:
        """One a name, as long as there were rows."""
        found = {}
        for name, parts in self._parts.items():
            found[name] = np.full(self._rows, np.nan)
            for rows, values in parts:
                found[name][rows] = values
        return found


def plain_values(values: Mapping[str, Any]) -> dict[str, Scalar]:
    """Scalars, flat; without what has a `_type`: histograms, images and other media."""
    found = flat(values)
    media = tuple(name.removesuffix("_type") for name in found if name.endswith("._type"))
    return {name: value for name, value in found.items() if not name.startswith(media)}


def latest(records: Sequence[bytes]) -> dict[str, bytes]:
    """Of each name in summary records the JSON that came last."""
    distinct = list(dict.fromkeys(reversed(records)))[::-1]
    last = distinct[-LAST:]
    found = {name: value for record in last for name, value in plain(record)}
    # Nearly all records hold the same names: whether others hold more, their tags tell.
    before = b"".join(distinct[:-LAST])
    heads = {head for record in last for head in heads_of(record)}
    if before.count(VALUE) == sum(before.count(head) for head in heads):
        return found
    text, values = together(distinct)
    return {
        name: text[each.starts[-1] : each.starts[-1] + each.sizes[-1]]
        for name, each in values.items()
    }
