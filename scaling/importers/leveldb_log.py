"""LevelDB's log, in which Weights & Biases keeps a run: records in blocks of 32,768 bytes.

A record lies in a block whole, or in pieces over several; each piece has a checksum (CRC-32) of its
own. Damage costs what is left of its block, since no piece reaches over a block's end.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from mmap import mmap

BLOCK, HEADER = 32768, 7
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4
_PIECE = struct.Struct("<IHB")  # checksum of all that follows it, size of the data, kind


def records(data: bytes | mmap, start: int, notes: list[str]) -> Iterator[bytes]:
    """The records from a position on; notes: is told what could not be read, and where.

    data: the file; blocks are counted from its first byte.
    """
    unpack, crc32 = _PIECE.unpack_from, zlib.crc32
    at, size = start, len(data)
    pieces: list[bytes] | None = None  # of a record that was begun
    begun = start
    while at < size:
        left = BLOCK - at % BLOCK
        if left < HEADER:  # too short for a piece
            at += left
            continue
        if at + HEADER > size:
            break
        checksum, length, kind = unpack(data, at)
        end = at + HEADER + length
        if size < end <= at + left and WHOLE <= kind <= LAST:
            break
        if not kind or end > at + left or crc32(data[at + 6 : end]) != checksum:
            following = min(at + left, size)
            if not any(data[at:following]) and not any(data[at:]):
                notes.append(f"read up to byte {at:,}: nothing but zeros from there on")
                return
            notes.append(f"damaged at byte {at:,}: bytes {at:,} to {following:,} are left out")
            at, pieces = following, None
            continue
        if kind == WHOLE:
            yield data[at + HEADER : end]
        elif kind == FIRST:
            pieces, begun = [data[at + HEADER : end]], at
        elif pieces is not None:  # else: the rest of a record that began in a damaged block
            pieces.append(data[at + HEADER : end])
            if kind == LAST:
                yield b"".join(pieces)
                pieces = None
        at = end
    if at < size or pieces is not None:
        whole = at if pieces is None else begun
        notes.append(f"read up to byte {whole:,}: the file ends at byte {size:,}, inside a record")
