"""What is kept of a finished cell, sealed: a record holds its own digest and those of its files.

Nothing here is unpickled: records and plans are JSON, curves are Parquet.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError
from scaling.grid import canonical_json

if TYPE_CHECKING:
    from scaling.files import Place

RECORD, CELL, CURVE = "record.json", "cell.json", "curve.parquet"


class DamagedError(InputError):
    """What was stored is torn, garbage, or another cell's. why: without the path."""

    def __init__(self, path: Place, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why


def sealed(record: Mapping[str, Any], beside: Mapping[str, bytes]) -> bytes:
    """A record's file. beside: the cell's other files, by name."""
    kept = {name: hashlib.sha256(data).hexdigest() for name, data in beside.items()}
    body = {**record, "files": kept} if kept else dict(record)
    return to_json({**body, "sha256": digest(body)})


def opened(folder: Place) -> dict[str, Any] | None:
    """The record of a cell's folder, whole and with all of its files; None where there is none.

    Raises DamagedError. Records of older versions don't tell of their files: those are not asked.
    """
    path = folder / RECORD
    try:
        raw = files.read(path)
    except FileNotFoundError:
        return None
    stored = parsed(path, raw)
    seal = stored.pop("sha256", None)
    if stored.get("run") != folder.name or seal != digest(stored):
        raise DamagedError(path, "damaged, or the record of another cell")
    kept = stored.pop("files", {})
    for name in (CELL, CURVE):
        if name not in kept:
            continue
        try:
            found = hashlib.sha256(files.read(folder / name)).hexdigest()
        except FileNotFoundError:
            raise DamagedError(folder / name, "gone, though its record is there") from None
        if found != kept[name]:
            raise DamagedError(folder / name, "damaged: its sha256 is not that of its record")
    return stored


def parsed(path: Place, raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises DamagedError for anything else."""
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise DamagedError(path, f"not valid JSON ({error})") from None
    except RecursionError:
        raise DamagedError(path, "not valid JSON (nested too deep)") from None
    if not isinstance(value, dict):
        raise DamagedError(path, "a JSON object was expected")
    return value


def read_json(path: Place) -> dict[str, Any]:
    """A JSON object that must be there."""
    try:
        return parsed(path, files.read(path))
    except FileNotFoundError as error:
        raise InputError(f"{path}: cannot read: {error.strerror or 'no such file'}") from None


def write_json(path: Place, value: Any) -> None:
    files.write(path, to_json(value))


def to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(_finite(value)).encode()).hexdigest()


def _finite(value: Any) -> Any:
    """NaN and infinity have no canonical JSON: a diverged cell's losses are hashed by name."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
