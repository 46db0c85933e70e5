"""Which starts are of one run, and which runs are given twice.

Starts of one id (and of one size) are one run: in the order of their times, or of their files, each
goes on with it (`curves.joined`); an id that only says where a run was read is of that place alone.
Two runs of the same settings, seed, tokens and loss are one run given twice: the later stands.
Equal settings with other losses are repetitions, also where a seed is stated: most trainers state
one and the same for all runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling.importers.columns import rank
from scaling.importing.curves import LOSS, TRAIN, Joined, Shelf, joined
from scaling.importing.mapping import Columns
from scaling.importing.pieces import Piece

_MEASURED = ("loss", "train_loss", "loss_se", "C")
SAME_SIZE = 1e-3


@dataclass(frozen=True)
class Kept:
    """A start of a run, its curve on the shelf."""

    piece: Piece
    place: tuple[int, int]


@dataclass(frozen=True)
class Merged:
    """A run of one or more starts. piece: the last one's facts, with the curve of all. told: what
    was merged, in words."""

    piece: Piece
    told: tuple[str, ...]


def kept(piece: Piece, shelf: Shelf) -> Kept:
    place = shelf.put(piece.points)
    return Kept(replace(piece, points=np.empty((0, 4))), place)  # no view, which holds them all


def by_id(pieces: Iterable[Kept]) -> list[list[Kept]]:
    """Starts of one run together, in the order in which they were made."""
    groups: dict[tuple[str, str, int], list[Kept]] = {}
    for each in pieces:
        which, part = (each.piece.id, each.piece.origin if each.piece.placed else ""), 0
        while (key := (*which, part)) in groups and not _same_size(groups[key][0], each):
            part += 1
        groups.setdefault(key, []).append(each)
    return [_in_time(group) for group in groups.values()]


def merge(group: Sequence[Kept], shelf: Shelf) -> Merged:
    """One run from its starts."""
    curves = [shelf.get(each.place) for each in group]
    found = joined(np.concatenate(curves) if len(curves) > 1 else curves[0])
    last = group[-1].piece
    values = {k: v for each in group for k, v in each.piece.values.items()}
    notes = tuple(dict.fromkeys(note for each in group for note in each.piece.notes))
    whole = replace(last, points=found.points, values=values, notes=notes)
    return Merged(whole, _told(group, curves, found))


def key(piece: Piece, columns: Columns, tokens: float, loss: float) -> str:
    """What two copies of one run share."""
    measured = {
        name for ours in _MEASURED if ours in columns for name in columns[ours].made_of.columns
    }
    settings = {
        name: value
        for name, value in piece.config.items()
        if name not in measured and rank("run", name) is None
    }
    values = {name: v for name, v in piece.values.items() if name not in _MEASURED}
    name = piece.name if "seed" not in values else ""
    curve = hashlib.sha256(piece.points[:, [LOSS, TRAIN]].tobytes()).hexdigest()
    return json.dumps([settings, values, name, tokens, loss, curve], sort_keys=True, default=str)


def _same_size(one: Kept, other: Kept) -> bool:
    for name in ("N", "N_total"):
        a, b = one.piece.values.get(name), other.piece.values.get(name)
        if isinstance(a, float) and isinstance(b, float):
            return abs(a - b) <= SAME_SIZE * max(a, b)
    return True


def _in_time(group: list[Kept]) -> list[Kept]:
    times: Mapping[int, float] = {
        i: each.piece.started for i, each in enumerate(group) if each.piece.started is not None
    }
    if len(times) < len(group):
        return group
    return [group[i] for i in sorted(times, key=lambda i: (times[i], i))]


def _told(group: Sequence[Kept], curves: Sequence[np.ndarray], found: Joined) -> tuple[str, ...]:
    told = []
    if len(group) > 1:
        places = list(dict.fromkeys(each.piece.origin for each in group))
        if len(places) > 1:
            told.append(f"joined from {len(places)} starts: {', '.join(places[:4])}")
    if found.restarts and found.replaced:
        times = "once" if found.restarts == 1 else f"{found.restarts} times"
        lost = f"{found.replaced} point{'s' if found.replaced > 1 else ''}"
        told.append(f"taken up again {times}: the later start wins from its first step on, and "
                    f"{lost} of before no longer stand")  # fmt: skip
    return tuple(told)
