"""What a tracker is: runs with their configuration, curve and end.

Everything that is asked of a tracker is asked from one thread, beside the training, and may raise:
the tracker is switched off then, with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from scaling.grid import Section

# By step, values by name: a point of a curve.
Point = tuple[int, Mapping[str, float]]
# How a run ended; left: its training was interrupted, and will be taken up.
End = Literal["finished", "failed", "left"]


@dataclass(frozen=True)
class Run:
    """A cell as trackers see it. id: the cell's, the same whenever it is trained; name: safe as the
    name of a file; study: what groups runs; config: what the cell is."""

    id: str
    name: str
    study: str
    config: Mapping[str, str | int | float | bool]


class Live(Protocol):
    """A run that was begun."""

    def log(self, points: Sequence[Point]) -> None:
        """More of its curve, seen at once by whoever looks. Held-out readings may come late: their
        steps may lie behind others'."""

    def end(self, how: End, summary: Mapping[str, float | str]) -> None:
        """It is over. summary: final values, and `status` and `reason` as the record has them."""


class Kind(Protocol):
    """What a tracker's module declares. NEEDS: the package that it imports, in `begin` only."""

    NAME: str
    NEEDS: str
    Settings: type[Section]

    def begin(self, settings: Any, run: Run) -> Live:
        """Begin a run, instead of one of the same id that was begun before."""
        ...
