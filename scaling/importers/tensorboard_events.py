"""The events of a file as points of curves: a step, a time, and the value of a tag.

A run may hold millions of them and few forms: those of one size that differ in time, step and value
alone are taken apart together, after one of them was read field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap

import numpy as np

from scaling.importers import crc32c
from scaling.importers.points import Points
from scaling.importers.tensorboard_event import Event, decode
from scaling.importers.tfrecord import by_size, rows

TIME, STEP = 0x09, 0x10  # tags of an event's first fields, in the order in which they are written
# For sums over the bytes of events that differ where these do: of 64 bits, none meet by chance.
_WEIGHTS = np.random.default_rng(0).integers(1, 2**63, crc32c.REACH, np.uint64) | np.uint64(1)


def take_apart(
    data: bytes | mmap, starts: np.ndarray, sizes: np.ndarray
) -> tuple[list[Points], list[tuple[int, Event]]]:
    """The points of sound records, by tag, in the order of their places in the file; and, with
    their places, events that say anything else."""
    points, others = list[Points](), list[tuple[int, Event]]()
    buffer = np.frombuffer(data, np.uint8)

    def one_by_one(members: np.ndarray) -> None:
        for at, size in zip(starts[members].tolist(), sizes[members].tolist(), strict=True):
            event = decode(data[at : at + size])
            others.append((at, event))
            for each in event.numbers:
                row = (np.array([x]) for x in (at, event.step, event.wall_time, each.value))
                points.append(Points(each.tag, *row))

    for size, members in by_size(sizes):
        if not 12 <= size <= crc32c.REACH:
            one_by_one(members)
            continue
        block = rows(buffer, starts[members], size)
        for form, head in _forms(block):
            one_by_one(members[form[~_alike(block[form], starts[members[form]], head, points)]])
    return points, others


def _forms(block: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Events whose step takes equally many bytes, and where it ends; nought: not of such a form."""
    ends = (block[:, 10:] < 0x80).argmax(axis=1) + 11
    heads = np.where(block[:, 9] == STEP, ends, 9)
    heads[(block[:, 0] != TIME) | (heads > 15)] = 0
    for head in np.unique(heads).tolist():
        yield np.flatnonzero(heads == head), head


def _alike(block: np.ndarray, places: np.ndarray, head: int, points: list[Points]) -> np.ndarray:
    """Which of these events could be taken apart together; their points are added."""
    done = np.zeros(len(block), bool)
    left = np.arange(len(block)) if head else np.arange(0)
    while len(left):
        event = decode(block[left[0]].tobytes())
        if not event.plain:
            left = left[1:]
            continue
        form = _form(event, block.shape[1], head)
        for members in _groups(block[left][:, form]):
            same = left[members]
            event = decode(block[same[0]].tobytes())
            if not event.plain or (_form(event, block.shape[1], head) != form).any():
                continue
            done[same] = True
            steps, times = _steps(block[same], head), _column(block[same], 1, "<f8")
            for number in event.numbers:
                values = _column(block[same], number.start, number.dtype).astype(float)
                points.append(Points(number.tag, places[same], steps, times, values))
        left = left[~done[left]]
    return done


def _form(event: Event, size: int, head: int) -> np.ndarray:
    """The bytes that are the same in events that differ in time, step and values alone."""
    form = np.arange(size) >= head
    for number in event.numbers:
        form[number.start : number.start + np.dtype(number.dtype).itemsize] = False
    return form


def _groups(block: np.ndarray) -> list[np.ndarray]:
    """Rows that are equal."""
    group = np.unique(block @ _WEIGHTS[: block.shape[1]], return_inverse=True)[1]
    return np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])


def _steps(block: np.ndarray, head: int) -> np.ndarray:
    steps = np.zeros(len(block), np.int64)
    for at in range(10, head):
        steps |= (block[:, at].astype(np.int64) & 0x7F) << 7 * (at - 10)
    return steps


def _column(block: np.ndarray, start: int, dtype: str) -> np.ndarray:
    size = np.dtype(dtype).itemsize
    return np.ascontiguousarray(block[:, start : start + size]).view(dtype)[:, 0]
