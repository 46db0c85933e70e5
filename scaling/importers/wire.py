"""Protobuf's wire format: the fields of a message by number, without its schema.

Of the tools' files a few messages are read, of fixed fields each; that needs neither the protobuf
package nor classes generated for one version of it.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned integer that stands at a position, and where it ends. ValueError: cut short."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("an integer without an end")


def spans(data: bytes, at: int, last: int) -> Iterator[tuple[int, int | None, int, int]]:
    """Of each field in a part of the data: its number, its value if that is an integer, and where
    its content begins and ends. Raises ValueError where the message is cut short or is none."""
    while at < last:
        tag, at = varint(data, at)
        number, kind, value = tag >> 3, tag & 7, None
        if kind == VARINT:
            start = at
            value, at = varint(data, at)
        elif kind == LENGTH:
            size, start = varint(data, at)
            at = start + size
        elif kind in (FIXED64, FIXED32):
            start, at = at, at + (8 if kind == FIXED64 else 4)
        else:
            raise ValueError(f"a field of unknown kind {kind}")
        if at > last:
            raise ValueError("a field longer than its message")
        yield number, value, start, at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and content of each field: integers unsigned; fixed numbers, text, messages and packed
    lists as their bytes."""
    for number, value, start, end in spans(data, 0, len(data)):
        yield number, data[start:end] if value is None else value


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Of the fields, those that hold no integer."""
    for number, value, start, end in spans(data, 0, len(data)):
        if value is None:
            yield number, data[start:end]


def signed(value: int) -> int:
    """An integer as protobuf's int32 and int64 mean it."""
    return value - (1 << 64) if value >> 63 else value
