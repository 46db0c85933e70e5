"""What lies beside a Trainer's log: the model's config, the card, results, the weights' header."""

from __future__ import annotations

import fnmatch
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError
from scaling.importers.contract import Scalar
from scaling.importers.documents import parsed, text_of
from scaling.importers.nested import flat

if TYPE_CHECKING:
    from scaling.files import Place

CONFIG = "config.json"
RESULTS = "all_results.json"
CARD = "README.md"
WEIGHTS = "*.safetensors"
# The card lists what was asked of the Trainer as `- learning_rate: 5e-05` under this heading.
ASKED = re.compile(r"^#+ Training hyperparameters\s*$(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^- (\w+): (.+?)\s*$", re.MULTILINE)
# Tables of words and of positions, by the names of GPT-2, Llama, NeoX, OLMo and their kin; that of
# words has a row for each.
WORDS = re.compile(r"wte|embed|lm_head|vocab")
POSITIONS = re.compile(r"wpe|embed_positions|position_embeddings")
HEADER_LIMIT = 100_000_000  # the format's own


@dataclass
class Beside:
    """config: the model's, as it is, and what was asked of the Trainer as `args.NAME`. final: the
    last results, and the parameters that the weights hold: all, and all but the tables of words
    and of positions. notes: what is damaged."""

    config: dict[str, Scalar] = field(default_factory=dict)
    final: dict[str, Scalar] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def beside(run: Place, newest: Place) -> Beside:
    """What a run's folder and its newest checkpoint's hold; the run's own files go first."""
    found = Beside()
    for read in (_settings, _card, _results, _parameters):
        try:
            read(found, run, newest)
        except InputError as error:
            found.notes.append(str(error))
    return found


def _settings(found: Beside, *folders: Place) -> None:
    found.config |= flat(_document(CONFIG, folders))


def _card(found: Beside, *folders: Place) -> None:
    card = _first(CARD, folders)
    section = ASKED.search(text_of(card)) if card is not None else None
    for name, value in ITEM.findall(section[1]) if section else ():
        found.config[f"args.{name}"] = _scalar(value)


def _results(found: Beside, run: Place, newest: Place) -> None:
    found.final |= flat(_document(RESULTS, (run,)))


def _parameters(found: Beside, *folders: Place) -> None:
    shapes = next(filter(None, map(_shapes, reversed(folders))), {})
    if not shapes:
        return
    all_ = sum(map(math.prod, shapes.values()))
    found.final["parameters"] = all_
    rows = found.config.get("vocab_size")
    two_sided = {name: shape for name, shape in shapes.items() if len(shape) == 2}
    words = {name for name, shape in two_sided.items() if WORDS.search(name) and shape[0] == rows}
    if words:
        tables = words | {name for name in two_sided if POSITIONS.search(name)}
        found.final["parameters_without_tables"] = all_ - sum(math.prod(shapes[t]) for t in tables)


def _shapes(folder: Place) -> dict[str, list[int]]:
    """Of each tensor of floating-point numbers in a folder's safetensors files, by their headers:
    eight bytes of length, and JSON. Of a store's files none, since they would be read whole."""
    if not files.is_local(folder):
        return {}
    found: dict[str, list[int]] = {}
    for name in fnmatch.filter(files.names(folder), WEIGHTS):
        file = folder / name
        with files.reading(file) as weights:
            length = int.from_bytes(weights.read(8), "little")
            header = weights.read(length) if length <= HEADER_LIMIT else b""
        try:
            tensors = json.loads(header)
        except ValueError:
            raise InputError(f"{file}: no header of a safetensors file; not counted") from None
        found |= {key: one["shape"] for key, one in tensors.items() if "F" in one.get("dtype", "")}
    return found


def _first(name: str, folders: tuple[Place, ...]) -> Place | None:
    return next((folder / name for folder in folders if files.exists(folder / name)), None)


def _document(name: str, folders: tuple[Place, ...]) -> Mapping[str, Any]:
    file = _first(name, folders)
    found = parsed(text_of(file), file) if file is not None else {}
    return found if isinstance(found, Mapping) else {}


def _scalar(text: str) -> Scalar:
    """A number where it reads as one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
