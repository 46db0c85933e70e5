"""A store that is read again and again: each record and curve once, until its files change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from scaling.sweep.storing.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from scaling.files import Place

T = TypeVar("T")


class Remembering(Store):
    """As the last look at a study found it. stamps: of each cell that has a record; what is asked
    of a cell that has none there is answered without asking the disk, or the store."""

    def __init__(self, folder: Place | str) -> None:
        super().__init__(folder)
        self.stamps: Mapping[str, str] = {}
        self._known: dict[tuple[str, str], tuple[str, Any]] = {}

    def read(self, cell_id: str) -> dict[str, Any] | None:
        if cell_id not in self.stamps:
            return None
        return self._once("record", cell_id, super().read)

    def curve(self, cell_id: str) -> pd.DataFrame:
        return self._once("curve", cell_id, super().curve)

    def _once(self, what: str, cell_id: str, read: Callable[[str], T]) -> T:
        stamp = self.stamps.get(cell_id, "")
        before = self._known.get((what, cell_id))
        if before is None or before[0] != stamp:
            self._known[what, cell_id] = before = stamp, read(cell_id)
        found: T = before[1]
        return found
