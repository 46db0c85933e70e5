"""From a source of images or a table to image-text pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data import cache as store
from scaling.data.captions import SPECIAL, TOKENIZER, from_templates, token_rows, trained
from scaling.data.decode import UnreadableImageError, size_and_mode
from scaling.data.encoded import decoded_part
from scaling.data.image_arrays import arranged, check, described, images_from
from scaling.data.image_sets import check_memory, check_options, held_in_memory
from scaling.data.image_sources import LabelledImages, Part
from scaling.data.image_split import digest, salted
from scaling.data.image_stream import CORRUPT
from scaling.data.images import Images
from scaling.data.pair_table import SUFFIXES, PairTable, read_pairs
from scaling.data.pairs import Pairs
from scaling.errors import InputError

CACHE_VERSION = 1
TEMPLATES = ("a photo of a {}.",)
# The side that a table's images are decoded at, where they are larger.
SIDE = 64


def pairs_of(
    source: str,
    *,
    captions: Sequence[str] | None = None,
    context: int | None = None,
    image: int | None = None,
    tokenizer: str = TOKENIZER,
    held_out: float = 0.1,
    corrupt: float = CORRUPT,
    cache: Path | None = None,
) -> Pairs:
    """Image-text pairs of a table, or of any source of images with captions from class names.

    source: a file of SUFFIXES with columns `image` and `caption`, else as for `images_of`.
    captions: templates such as "a photo of a {}."; each image of a source is captioned by one of
    them, chosen by a hash of its contents, and each class is named by all of them in `prompts`.
    context: tokens of the longest caption with BEGIN and END, by default those of the longest there
    is. tokenizer: `bytes`, or `bpe:SIZE` with as many symbols as the captions give, SIZE at most.
    image, held_out, corrupt, cache: as for `images_of`; a table's images are decoded at 64 pixels
    where the first is larger.
    Raises InputError for bad templates, tables and images, and a caption longer than the context.
    """
    check_options(image, corrupt)
    folder = cache or store.cache_folder() / "data"
    templates = TEMPLATES if captions is None else tuple(captions)
    if Path(source).suffix.lower() in SUFFIXES:
        table = read_pairs(Path(source).expanduser())
        images, texts = _decoded(table, image, held_out, corrupt, folder)
        names = from_templates(templates, images.classes) if images.classes else []
        known = sorted(set(texts[0] + texts[1]))
        number = {text: n for n, text in enumerate(known)}
        rows = [np.array([number[text] for text in part], np.int32) for part in texts]
        where = _rows_of(table, known, names)
        return _paired(images, known, rows, names, tokenizer, context, where)
    images = held_in_memory(source, image=image, held_out=held_out, corrupt=corrupt, cache=folder)
    names = from_templates(templates, images.classes)
    rows = [
        labels * len(templates) + _drawn(part, len(templates))
        for part, labels in (
            (images.train, images.train_labels),
            (images.held_out, images.held_out_labels),
        )
    ]
    return _paired(images, names, rows, [], tokenizer, context, lambda n: f"caption {n + 1}")


def _drawn(images: NDArray[np.uint8], templates: int) -> NDArray[np.int32]:
    """The template of each image."""
    keys = salted("template:", (digest(image.tobytes()) for image in images))
    return (keys % np.uint64(templates)).astype(np.int32)


def _rows_of(table: PairTable, known: Sequence[str], names: Sequence[str]) -> Callable[[int], str]:
    """Where a text stands: the first row of the table that has it, or a template."""

    def where(n: int) -> str:
        if n >= len(known):
            return f"prompt {n - len(known) + 1}"
        for part in table.parts():
            if known[n] in part.captions:
                return f"{table.name} row {part.rows[part.captions.index(known[n])]}"
        raise AssertionError("every caption is of a row")

    return where


def _paired(
    images: Images,
    captions: list[str],
    rows: Sequence[NDArray[np.int32]],
    names: list[str],
    tokenizer: str,
    context: int | None,
    where: Callable[[int], str],
) -> Pairs:
    """Captions and prompts as tokens of one tokenizer; without `names` captions are prompts too."""
    model = trained(tokenizer, captions + names)
    tokens = token_rows(captions + names, model, context, where)
    width = tokens.shape[1]
    written, rest = tokens[: len(captions)], tokens[len(captions) :]
    if images.classes and not names:
        rest = written
    prompts = rest.reshape(len(images.classes), -1, width) if len(rest) else rest[:, None]
    definition = model.to_json()
    total = hashlib.sha256(f"{images.fingerprint} {definition}".encode())
    for array in (written, *rows, prompts):
        total.update(f"{array.shape}".encode() + np.ascontiguousarray(array).data)
    return Pairs(
        images=images,
        captions=written,
        train_captions=rows[0],
        held_out_captions=rows[1],
        prompts=prompts,
        vocab=model.vocab + SPECIAL,
        fingerprint=total.hexdigest()[:16],
        facts=images.facts
        | {
            "tokenizer": tokenizer,
            "vocab": model.vocab + SPECIAL,
            "context": width,
            "captions": len(captions),
            "tokens_a_caption": float(np.count_nonzero(written, axis=1).mean()),
        },
        tokenizer_json=definition,
    )


def _decoded(
    table: PairTable, image: int | None, held_out: float, corrupt: float, cache: Path
) -> tuple[Images, tuple[list[str], list[str]]]:
    """A table's images in both parts, and the caption of each."""
    side = _side(table) if image is None else image
    check_memory(table.name, sum(map(len, table.parts())), side)
    options = f"{CACHE_VERSION} {table.version} {side} {float(held_out)} {float(corrupt)}"
    folder = cache / f"pairs-{hashlib.sha256(options.encode()).hexdigest()[:32]}"
    entry = store.read(folder)
    if entry is None:
        store.write(folder, *_build(table, side, held_out, corrupt))
        entry = store.read(folder)
    if entry is None:
        raise InputError(f"{folder}: the data cache cannot be read back; delete the folder")
    arrays, facts = entry
    train, rest = arrays.pop("train_rows"), arrays.pop("held_out_rows")
    origin = {"source": table.name, "licence": "not stated", "version": table.version}
    images = images_from(arrays, facts, origin)
    held = table.held_out or table.train
    texts = [table.train.captions[n] for n in train], [held.captions[n] for n in rest]
    return (images if table.classes else replace(images, classes=())), texts


def _side(table: PairTable) -> int:
    for n in range(len(table.train)):
        try:
            return min(SIDE, *size_and_mode(table.train.read(n))[:2])
        except UnreadableImageError:
            continue
    raise InputError(f"{table.name}: not one of its images can be decoded")


def _build(
    table: PairTable, side: int, held_out: float, corrupt: float
) -> tuple[store.Arrays, dict[str, Any]]:
    decoded = [decoded_part(part, side, corrupt) for part in table.parts()]
    parts = [
        Part(pixels, part.labels[good])
        for part, (pixels, good, _) in zip(table.parts(), decoded, strict=True)
    ]
    # Without labels all are of one class.
    classes = table.classes or ("",)
    found = LabelledImages(classes, parts[0], parts[1] if len(parts) == 2 else None)
    check(table.name, found)
    kept, held, facts = arranged(found, held_out)
    rest = found.held_out or found.train
    arrays = {
        "train": found.train.images[kept],
        "train_labels": found.train.labels[kept],
        "held_out": rest.images[held],
        "held_out_labels": rest.labels[held],
    }
    rows = {
        "train_rows": np.array(decoded[0][1], np.int64)[kept],
        "held_out_rows": np.array(decoded[-1][1], np.int64)[held],
    }
    told = {
        "corrupt_images_left_out": [name for _, _, names in decoded for name in names],
        "splits_not_read": list(table.left_out),
    }
    return arrays | rows, described(arrays, classes) | facts | told
