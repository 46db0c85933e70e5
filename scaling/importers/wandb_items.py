"""The items of W&B's history and summary records: a name, nested or not, and a value as JSON.

A run may hold millions of them, so records of the usual form are taken apart together: the tag
before each value (field 16, text) is found in all of them at once, and the lengths on both sides of
it must tile the record without a gap. A record of another form is read field by field.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scaling.importers.wire import fields, messages

VALUE = b"\x82\x01"  # tag of an item's JSON
ITEM, STEP = 0x0A, 0x12  # tags inside a record: an item; the step, which is an item, too
_NUMBERS = np.zeros(256, bool)
_NUMBERS[np.frombuffer(b"-0123456789NI", np.uint8)] = True  # W&B's JSON knows NaN and Infinity


@dataclass(frozen=True)
class Values:
    """Of one name: in which records it stands, and where in the text its JSON lies."""

    rows: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray


def plain(record: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and JSON of each item of a record, field by field."""
    for number, item in messages(record):
        if number == 1:
            yield named(item)


def heads_of(record: bytes) -> Iterator[bytes]:
    """Of each item with JSON what stands before it: the name, and the value's tag."""
    for number, item in messages(record):
        if number == 1 and VALUE in item:
            yield item[: item.index(VALUE) + len(VALUE)]


def together(records: Sequence[bytes]) -> tuple[bytes, dict[str, Values]]:
    """A text, and by name where the values of all these records lie in it."""
    text = b"".join(records)
    lengths = np.fromiter(map(len, records), np.int64, len(records))
    row, start, tag, value, size = _usual(text, np.cumsum(lengths), lengths)
    found: dict[str, list[Values]] = {}
    for name, of in _by_name(text, start, tag):
        found.setdefault(name, []).append(Values(row[of], value[of], size[of]))
    unusual = np.ones(len(records), bool)
    unusual[row] = False
    at, more = len(text), [text]
    for index in np.flatnonzero(unusual).tolist():
        for name, content in plain(records[index]):
            one = Values(*(np.array([each]) for each in (index, at, len(content))))
            found.setdefault(name, []).append(one)
            more.append(content)
            at += len(content)
    return b"".join(more), {name: _joined(parts) for name, parts in found.items()}


def numbers(text: bytes, values: Sequence[Values]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each name the rows that hold a number (true is 1), and these."""
    buffer = np.frombuffer(text + b" ", np.uint8)
    chosen = []
    for each in values:
        first = buffer[each.starts]
        keep = (_NUMBERS[first] | (first == ord("t")) | (first == ord("f"))) & (each.sizes > 0)
        chosen.append(Values(each.rows[keep], each.starts[keep], each.sizes[keep]))
    starts = np.concatenate([each.starts for each in chosen])
    sizes = np.concatenate([each.sizes for each in chosen])
    whole = np.full(int(sizes.sum()) + len(sizes), ord(","), np.uint8)
    index = np.arange(int(sizes.sum()))
    whole[index + np.repeat(np.arange(len(sizes)), sizes)] = buffer[
        index + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
    ]
    parsed = np.array(json.loads(b"[" + whole.tobytes()[:-1] + b"]"), float)
    bounds = np.cumsum([len(each.rows) for each in chosen])[:-1]
    return [(each.rows, part) for each, part in zip(chosen, np.split(parsed, bounds), strict=True)]


def _usual(
    text: bytes, ends: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of items in records of the usual form: the record, where the name begins and ends, where the
    value begins, and its size."""
    buffer = np.frombuffer(text + bytes(4), np.uint8)
    tag = np.flatnonzero((buffer[:-3] == 0x82) & (buffer[1:-2] == 0x01))
    row = np.searchsorted(ends, tag, side="right")
    size, value = _length(buffer, tag + 2)
    end = np.minimum(value + size, len(text))
    first = np.diff(row, prepend=-1) != 0
    begin = np.where(first, ends[row] - lengths[row], np.roll(end, 1))
    inner, start = _length(buffer, begin + 1)
    fits = (buffer[begin] == ITEM) & (start + inner == value + size) & (start < tag)
    left = ends[row] - end
    step = (buffer[end] == STEP) & (buffer[end + 1] + 2 == left)
    fits &= ~np.append(first[1:], True)[: len(row)] | (left == 0) | step
    unusual = np.zeros(len(ends), bool)
    unusual[row[~fits]] = True
    keep = ~unusual[row]
    return row[keep], start[keep], tag[keep], value[keep], size[keep]


def _length(buffer: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of one or two bytes, and where they end; beyond any text where there are more."""
    low, high = buffer[at].astype(np.int64), buffer[at + 1].astype(np.int64)
    two = low > 127
    length = np.where(two, (low & 127) | high << 7, low)
    return np.where(two & (high > 127), 1 << 40, length), at + 1 + two


def _by_name(text: bytes, start: np.ndarray, end: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The names that stand in the text, and which of the items have each."""
    if not len(start):
        return
    heads = [text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    index = {head: place for place, head in enumerate(dict.fromkeys(heads))}
    group = np.fromiter(map(index.__getitem__, heads), np.int64, len(heads))
    order = np.argsort(group, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(group))[:-1])
    for head, members in zip(index, groups, strict=True):
        path = (part.decode("utf-8", "replace") for _, part in messages(head))
        yield ".".join(path), members


def _joined(parts: list[Values]) -> Values:
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows, kind="stable")
    starts, sizes = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("starts", "sizes")
    )
    return Values(rows[order], starts, sizes)


def named(item: bytes) -> tuple[str, bytes]:
    """Name and JSON of an item; those of typed values, which the format also knows, are written."""
    path, value = [], b"null"
    for number, content in fields(item):
        if isinstance(content, int):
            if number == 4:
                value = b"true" if content else b"false"
            elif number == 5:
                value = b"%d" % (content >> 1 ^ -(content & 1))
        elif number in (1, 2):
            path.append(content.decode("utf-8", "replace"))
        elif number == 6:
            value = json.dumps(struct.unpack("<d", content)[0]).encode()
        elif number == 7:
            value = json.dumps(content.decode("utf-8", "replace")).encode()
        elif number in (8, 16):
            value = content
    return ".".join(path), value
