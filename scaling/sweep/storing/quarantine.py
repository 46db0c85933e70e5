"""What was found damaged: moved to `quarantine/ID-n/` with a `why.json`, never removed unasked."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.sweep.storing.records import DamagedError, parsed, write_json

if TYPE_CHECKING:
    from scaling.files import Place

FOLDER, WHY = "quarantine", "why.json"
# Shown on stderr where nobody has set up logging.
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quarantined:
    """id: of the cell or trunk that it was stored for; path: where it lay, and now lies, in the
    study's folder; why: in words; at: when (UTC)."""

    id: str
    path: str
    now: str
    why: str
    at: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def set_aside(root: Place, path: Place, of: str, why: str) -> Quarantined | None:
    """Move a damaged file or folder of the study at `root` away; None where it is already gone.

    of: the id of its cell or trunk. Said on the log: what was stored for it has to be made again.
    """
    number = 1
    while files.exists(place := root / FOLDER / f"{of}-{number}"):
        number += 1
    to = place if path.name == of else place / path.name  # a cell's folder keeps its files' names
    if not files.move(path, to):
        return None
    told = Quarantined(
        of,
        within(root, path),
        within(root, to),
        why,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_json(place / WHY, told.to_dict())
    log.warning("%s: %s; moved to %s, and made again", path, why, told.now)
    return told


def quarantined(root: Place) -> list[Quarantined]:
    """What lies in quarantine, by folder."""
    found = []
    for name in files.names(root / FOLDER):
        path = root / FOLDER / name / WHY
        try:
            facts = parsed(path, files.read(path))
            found.append(Quarantined(**{key: str(value) for key, value in facts.items()}))
        except (FileNotFoundError, DamagedError, TypeError):  # a move that was cut short
            of = name.rpartition("-")[0] or name
            found.append(Quarantined(of, "", f"{FOLDER}/{name}", "not told", ""))
    return found


def within(root: Place, path: Place) -> str:
    """A path as seen from the study's folder."""
    return str(path).removeprefix(str(root)).lstrip("/")
