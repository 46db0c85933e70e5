"""CRC-32C (Castagnoli's) of many records at once, in NumPy: without a package of its own for it.

The sum is linear in the bytes: what each adds depends on its value and on how many follow it, so a
batch of records of one size is one look-up a byte.
"""

from __future__ import annotations

from functools import cache

import numpy as np

REACH = 512  # the longest records that are summed together
_POLYNOMIAL = 0x82F63B78
_ADDED = 0xA282EAD8  # TensorFlow stores a sum rotated by 15 bits, and this added


@cache
def _tables() -> np.ndarray:
    """[k, b]: what byte b adds where k bytes follow it."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(_POLYNOMIAL), table >> 1)
    tables = np.empty((REACH, 256), np.uint32)
    tables[0] = table
    for k in range(1, REACH):
        tables[k] = (tables[k - 1] >> 8) ^ table[tables[k - 1] & 0xFF]
    return tables


def sums(records: np.ndarray) -> np.ndarray:
    """Of each row of bytes, of 4 to 512."""
    size = records.shape[1]
    flipped = records.copy()
    flipped[:, :4] ^= 0xFF  # the sum begins with all bits set
    return ~_added(flipped, size)


def of(record: bytes) -> int:
    """The same of one record of any length."""
    state = 0xFFFFFFFF
    for start in range(0, len(record), REACH):
        part = np.frombuffer(record[start : start + REACH], np.uint8).copy()
        head = min(4, len(part))
        part[:head] ^= np.frombuffer(state.to_bytes(4, "little")[:head], np.uint8)
        state = state >> 8 * head ^ int(_added(part[None], len(part))[0])
    return state ^ 0xFFFFFFFF


def masked(value: np.ndarray) -> np.ndarray:
    """Sums as TensorFlow's record files hold them."""
    return (value >> 15 | value << 17) + np.uint32(_ADDED)


def _added(records: np.ndarray, size: int) -> np.ndarray:
    found: np.ndarray = np.bitwise_xor.reduce(_tables()[np.arange(size)[::-1], records], axis=1)
    return found
