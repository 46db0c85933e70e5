"""TensorFlow's record file, in which TensorBoard keeps events: length, record, and a sum of each.

Records follow each other without blocks, so nothing behind a damaged one can be found again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap

import numpy as np

from scaling.importers import crc32c

BATCH = 1 << 15  # records that are checked together
HEAD, TAIL = 12, 4  # a length of 8 bytes, its sum; the sum of the record
_LENGTH = struct.Struct("<Q")


def batches(data: bytes | mmap, notes: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Where sound records begin, and their sizes; notes: is told from where on it can't be read."""
    at, size = 0, len(data)
    while at < size and not notes:
        first, sizes = at, list[int]()
        while len(sizes) < BATCH and at + HEAD + TAIL <= size:
            (length,) = _LENGTH.unpack_from(data, at)
            if at + HEAD + length + TAIL > size:
                break
            sizes.append(length)
            at += HEAD + length + TAIL
        lengths = np.array(sizes, np.int64)
        starts = first + HEAD + np.cumsum(lengths + HEAD + TAIL) - lengths - HEAD - TAIL
        sound = _sound(data, starts, lengths)
        if sound < len(starts):
            place = int(starts[sound]) - HEAD
            notes.append(f"read up to byte {place:,}: the record there is damaged")
        elif len(sizes) < BATCH and at < size:
            notes.append(f"read up to byte {at:,}: {_rest(data, at)}")
        if sound:
            yield starts[:sound], lengths[:sound]


def rows(buffer: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Records of one size as an array, a row each."""
    return buffer[starts[:, None] + np.arange(size)]


def by_size(sizes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each size, and which records have it."""
    order = np.argsort(sizes, kind="stable")
    distinct, first = np.unique(sizes[order], return_index=True)
    yield from zip(distinct.tolist(), np.split(order, first[1:]), strict=True)


def _sound(data: bytes | mmap, starts: np.ndarray, sizes: np.ndarray) -> int:
    """So many records, from the first on, whose sums are right."""
    if not len(starts):
        return 0
    buffer = np.frombuffer(data, np.uint8)
    right = crc32c.masked(crc32c.sums(rows(buffer, starts - HEAD, 8))) == _stored(
        buffer, starts - 4
    )
    for size, members in by_size(np.where(right, sizes, 0)):
        if 4 <= size <= crc32c.REACH:
            found = crc32c.sums(rows(buffer, starts[members], size))
        else:
            each = [crc32c.of(data[at : at + size]) for at in starts[members].tolist()]
            found = np.array(each, np.uint32)
        right[members] &= crc32c.masked(found) == _stored(buffer, starts[members] + size)
    return len(right) if right.all() else int(np.argmin(right))


def _stored(buffer: np.ndarray, at: np.ndarray) -> np.ndarray:
    return rows(buffer, at, 4).view("<u4")[:, 0]


def _rest(data: bytes | mmap, at: int) -> str:
    """Why the last bytes are no record."""
    head = data[at : at + HEAD]
    if len(head) == HEAD:
        (stored,) = struct.unpack_from("<I", head, 8)
        if int(crc32c.masked(np.array([crc32c.of(head[:8])], np.uint32))[0]) != stored:
            return "what follows is damaged"
    return f"the file ends at byte {len(data):,}, inside a record"
