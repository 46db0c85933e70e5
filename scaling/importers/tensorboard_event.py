"""One event of TensorBoard's: what it says of a run, and where in it the numbers lie."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from scaling.importers.contract import Ended, Scalar
from scaling.importers.wire import fields, messages, signed, spans, varint

# Types of tensors whose one number is read, by protobuf's number for each.
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 10: "?"}
_FLOATS = {5: "<f4", 6: "<f8"}  # fields of a tensor that list numbers as they lie
_INTEGERS = (7, 10, 11)  # and as integers of varying length
_ENDED: dict[int, Ended] = {1: "finished", 2: "crashed", 3: "running"}  # in plugin hparams


@dataclass(frozen=True)
class Number:
    """start: where in the event it lies as `dtype` says; below nought if it lies otherwise."""

    tag: str
    value: float
    start: int = -1
    dtype: str = ""


@dataclass
class Event:
    """texts: by tag. hparams, ended: from the plugin of that name. restart: a run was taken up
    again at this step. plain: there is nothing but numbers in it, all of which have a place."""

    step: int = 0
    wall_time: float = 0.0
    numbers: list[Number] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    hparams: dict[str, Scalar] = field(default_factory=dict)
    ended: Ended | None = None
    restart: bool = False

    @property
    def plain(self) -> bool:
        others = self.texts or self.hparams or self.ended or self.restart
        return bool(self.numbers) and not others and all(one.start >= 0 for one in self.numbers)


def decode(record: bytes) -> Event:
    """Raises ValueError where the record is no event."""
    event = Event()
    for number, value, start, end in spans(record, 0, len(record)):
        if number == 1 and end - start == 8:
            (event.wall_time,) = struct.unpack_from("<d", record, start)
        elif number == 2 and value is not None:
            event.step = signed(value)
        elif number == 5:
            for kind, _, first, last in spans(record, start, end):
                if kind == 1:
                    _value(event, record, first, last)
        elif number == 7:  # of a session: 1 is its start
            event.restart = dict(fields(record[start:end])).get(1) == 1
    return event


def _value(event: Event, record: bytes, first: int, last: int) -> None:
    """A tag, and a number, a tensor, or what a plugin keeps beside them."""
    found = {number: (start, end) for number, _, start, end in spans(record, first, last)}

    def content(number: int) -> bytes:
        return record[slice(*found.get(number, (0, 0)))]

    tag = content(1).decode("utf-8", "replace")
    plugin = dict(messages(dict(messages(content(9))).get(1, b"")))
    if plugin.get(1) == b"hparams":
        _hparams(event, plugin.get(2, b""))
    elif 2 in found:
        (value,) = struct.unpack("<f", content(2))
        event.numbers.append(Number(tag, value, found[2][0], "<f4"))
    elif 8 in found:
        _tensor(event, tag, record, *found[8])


def _tensor(event: Event, tag: str, record: bytes, first: int, last: int) -> None:
    """The one number or the one text of a tensor; others say nothing of a run."""
    kind, texts, numbers = 0, list[bytes](), list[Number]()
    for number, value, start, end in spans(record, first, last):
        if number == 1 and value is not None:
            kind = value
        elif number == 8:
            texts.append(record[start:end])
        elif number in _INTEGERS and start < end:
            one, after = varint(record, start)  # of a packed list, or alone
            if after != end:
                return
            numbers.append(Number(tag, signed(one)))
        elif number in _FLOATS or (number == 4 and kind in _TYPES and start < end):
            dtype = _FLOATS.get(number, _TYPES.get(kind, ""))
            content = np.frombuffer(record[start:end], dtype)
            if len(content) != 1:
                return
            numbers.append(Number(tag, float(content[0]), start, dtype))
    if len(texts) == 1:
        event.texts[tag] = texts[0].decode("utf-8", "replace")
    elif len(numbers) == 1:
        event.numbers += numbers


def _hparams(event: Event, content: bytes) -> None:
    """What the page of hyperparameters keeps of a run: their values, and how it ended."""
    for number, told in messages(content):
        if number == 3:
            for kind, entry in messages(told):
                if kind == 1:
                    pair = dict(messages(entry))
                    _setting(event, pair.get(1, b"").decode("utf-8", "replace"), pair.get(2, b""))
        elif number == 4:
            event.ended = _ENDED.get(int(dict(fields(told)).get(1, 0)))


def _setting(event: Event, name: str, value: bytes) -> None:
    for number, content in fields(value):
        if number == 2 and isinstance(content, bytes):
            (one,) = struct.unpack("<d", content)  # the plugin knows no integers
            event.hparams[name] = int(one) if one.is_integer() else one
        elif number == 3 and isinstance(content, bytes):
            event.hparams[name] = content.decode("utf-8", "replace")
        elif number == 4:
            event.hparams[name] = bool(content)
