"""The data of a study, opened as its families need it: text, images, or image-text pairs."""

from __future__ import annotations

from collections.abc import Iterable

from scaling import data, families
from scaling.data import Corpus, Images, ImageStream, Pairs, image_sources, sources
from scaling.errors import InputError
from scaling.families import Unit
from scaling.grid.spec import Data

AnyData = Corpus | Images | ImageStream | Pairs

# Which keys of [data] mean something, by what D counts.
KEYS: dict[Unit, tuple[str, ...]] = {
    "token": ("tokenizer", "eval_tokens", "unique_tokens"),
    "image": ("image", "eval_images"),
    "pair": ("image", "eval_images", "captions"),
}


def unit_of(names: Iterable[str]) -> Unit:
    """What D counts for these families. Raises InputError where they don't count the same."""
    units: dict[Unit, str] = {}
    for name in names:
        units.setdefault(families.get(name).UNIT, name)
    if len(units) > 1:
        told = " and ".join(f"{name} counts {unit}s" for unit, name in units.items())
        raise InputError(f"a study has one kind of data, but {told}; make a grid of each")
    (unit,) = units
    return unit


def open_data(spec: Data, unit: Unit) -> AnyData:
    """The data that `spec` names, for models that count `unit`s.

    Raises InputError for a source of the other kind, and what the source raises.
    """
    holds_text, holds_images = sources.names(), image_sources.names()
    if spec.source in (holds_images if unit == "token" else holds_text):
        has, known = ("images", holds_text) if unit == "token" else ("text", holds_images)
        raise InputError(
            f"data.source = {spec.source!r} holds {has}, but these models count {unit}s; "
            f"valid: {', '.join(known)}, or files of your own (docs/data.md)"
        )
    known_keys = KEYS[unit]
    for key in sorted(spec.model_fields_set - {"source", "held_out"} - set(known_keys)):
        raise InputError(
            f"data.{key} says nothing to models that count {unit}s; valid beside source and "
            f"held_out: {', '.join(known_keys)}"
        )
    if unit == "token":
        return data.load(spec.source, tokenizer=spec.tokenizer, held_out=spec.held_out)
    if unit == "image":
        return data.images_of(spec.source, image=spec.image, held_out=spec.held_out)
    return data.pairs_of(
        spec.source, captions=spec.captions, image=spec.image, held_out=spec.held_out
    )
