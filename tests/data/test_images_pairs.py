"""Image-text pairs: from class names, from tables, and captions that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.data import Pairs, pairs_of
from scaling.data.captions import BEGIN, END, PAD, SPECIAL, from_templates, token_rows, trained
from scaling.errors import InputError

WHY = "is missing: pip install 'scaling-laws[train]'"
Image = pytest.importorskip("PIL.Image", reason=f"Pillow {WHY}")
pytest.importorskip("sklearn", reason=f"scikit-learn {WHY}")
pytest.importorskip("tokenizers", reason=f"tokenizers {WHY}")

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}


def text(pairs: Pairs, row: Any) -> str:
    """A caption read back; it must begin, end, and hold nothing after its end."""
    tokens = row.tolist()
    end = tokens.index(END)
    assert tokens[0] == BEGIN
    assert not any(tokens[end + 1 :])
    assert min(tokens[1:end], default=SPECIAL) >= SPECIAL
    return pairs.tokenizer().decode(np.array(tokens[1:end]) - SPECIAL).decode()


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Forty-eight images in a folder beside the table, and a caption for each."""
    (tmp_path / "photos").mkdir()
    rows = []
    for n in range(48):
        name = list(COLOURS)[n % 3]
        noise = np.random.default_rng(n).integers(-25, 26, (30, 40, 3))
        pixels = (np.array(COLOURS[name]) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{n}.png")
        rows.append((f"photos/{n}.png", f"a {name} square, the {n // 3}th", name))
    return pd.DataFrame(rows, columns=["image", "caption", "label"])


def written(table: pd.DataFrame, folder: Path, suffix: str = ".csv") -> str:
    path = folder / f"pairs{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return str(path)


@pytest.mark.parametrize("tokenizer", ["bpe:1024", "bpe:300", "bytes"])
def test_captions_from_class_names(tokenizer: str, cache: Path) -> None:
    templates = ["a photo of a {}.", "the digit {}", "{}"]
    pairs = pairs_of("digits", captions=templates, tokenizer=tokenizer, cache=cache)
    assert pairs.dims() == {
        "image": 8,
        "channels": 1,
        "vocab": pairs.vocab,
        "context": pairs.context,
    }
    assert pairs.captions.max() < pairs.vocab
    assert pairs.prompts.shape == (10, 3, pairs.context)
    assert [text(pairs, row) for row in pairs.prompts[7]] == ["a photo of a 7.", "the digit 7", "7"]
    images = pairs.images
    for rows, labels in (
        (pairs.train_captions, images.train_labels),
        (pairs.held_out_captions, images.held_out_labels),
    ):
        assert np.array_equal(rows // 3, labels)
        assert np.bincount(rows % 3).min() > 0.2 * len(rows)  # each template has its share
    first = text(pairs, pairs.captions[pairs.train_captions[0]])
    assert first in [t.replace("{}", str(images.train_labels[0])) for t in templates]
    again = pairs_of("digits", captions=templates, tokenizer=tokenizer, cache=cache)
    assert again == pairs
    assert pairs != pairs_of("digits", tokenizer=tokenizer, cache=cache)


def test_words_make_shorter_captions_than_bytes(cache: Path) -> None:
    words, letters = (pairs_of("digits", tokenizer=t, cache=cache) for t in ("bpe:1024", "bytes"))
    assert words.context == 8  # begin, a, photo, of, a, 7, ., end
    assert letters.context == 17
    assert words.facts["tokens_a_caption"] == 8


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table(suffix: str, table: pd.DataFrame, tmp_path: Path, cache: Path) -> None:
    source = written(table, tmp_path, suffix)
    pairs = pairs_of(source, image=10, cache=cache)
    images = pairs.images
    assert images.classes == ("blue", "green", "red")
    assert (images.n_train, images.n_held_out) == (42, 6)
    assert pairs.prompts.shape == (3, 1, pairs.context)
    assert text(pairs, pairs.prompts[2, 0]) == "a photo of a red."
    captions = set()
    for part, labels, rows in (
        (images.train, images.train_labels, pairs.train_captions),
        (images.held_out, images.held_out_labels, pairs.held_out_captions),
    ):
        for image, label, row in zip(part, labels, rows, strict=True):
            caption = text(pairs, pairs.captions[row])
            name = images.classes[label]
            assert f"a {name} square" in caption
            assert np.abs(image.mean((0, 1)) - COLOURS[name]).max() < 15
            captions.add(caption)
    assert captions == set(table["caption"])
    assert pairs_of(source, image=10, cache=cache) == pairs
    assert pairs_of(source, cache=cache).dims()["image"] == 30


def test_a_table_without_labels_and_with_splits(
    table: pd.DataFrame, tmp_path: Path, cache: Path
) -> None:
    table = table.drop(columns="label").assign(split=["train"] * 36 + ["val"] * 8 + ["test"] * 4)
    pairs = pairs_of(written(table, tmp_path), image=10, cache=cache)
    assert pairs.images.classes == ()
    assert pairs.prompts.size == 0
    assert (pairs.images.n_train, pairs.images.n_held_out) == (36, 8)
    assert pairs.facts["splits_not_read"] == ["test"]
    held_out = [text(pairs, pairs.captions[row]) for row in pairs.held_out_captions]
    assert held_out == table["caption"][36:44].tolist()


def test_corrupt_images_take_their_captions_with_them(
    table: pd.DataFrame, tmp_path: Path, cache: Path
) -> None:
    victim = tmp_path / "photos" / "5.png"
    victim.write_bytes(victim.read_bytes()[:200])
    source = written(table, tmp_path)
    with pytest.raises(InputError, match=r"1 of 48 images are corrupt, 1.00% .* row 6: .*5\.png"):
        pairs_of(source, image=10, cache=cache)
    pairs = pairs_of(source, image=10, corrupt=0.05, cache=cache)
    assert pairs.images.n_train + pairs.images.n_held_out == 47
    for rows, labels in (
        (pairs.train_captions, pairs.images.train_labels),
        (pairs.held_out_captions, pairs.images.held_out_labels),
    ):
        for row, label in zip(rows, labels, strict=True):
            caption = text(pairs, pairs.captions[row])
            assert pairs.images.classes[label] in caption
            assert caption != table["caption"][5]


def test_pairs_of_a_folder_are_held_in_memory(
    table: pd.DataFrame, tmp_path: Path, cache: Path
) -> None:
    for n, name in enumerate(table["label"]):
        place = tmp_path / "root" / "train" / f"{name}_thing"
        place.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / f"{n}.png").rename(place / f"{n}.png")
    pairs = pairs_of(str(tmp_path / "root"), image=10, cache=cache)
    assert pairs.images.train.shape == (42, 10, 10, 3)
    assert text(pairs, pairs.prompts[0, 0]) == "a photo of a blue thing."
    with pytest.raises(InputError, match=r"pixels take 12\.1 GiB, at most 1 .* smaller `image`"):
        pairs_of(str(tmp_path / "root"), image=9500, cache=cache)


def change(column: str, row: int, value: str) -> Any:
    def changed(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[row - 1, column] = value
        return table

    return changed


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda t: t.rename(columns={"caption": "captions"}),
            r"no column 'caption'; .*captions' it",
        ),
        (lambda t: t[:0], "no rows"),
        (change("image", 4, "photos/none.png"), r"row 4: no image .*none\.png"),
        (change("caption", 5, "  "), "row 5: no caption"),
        (change("label", 6, ""), r"row 6: no label \(1 such rows\)"),
        (lambda t: t.assign(split="fit"), "row 1: split 'fit'; valid: train, val"),
        (lambda t: t.assign(split="val"), "no row of split 'train'"),
    ],
)
def test_bad_tables(
    spoil: Any, message: str, table: pd.DataFrame, tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(InputError, match=message):
        pairs_of(written(spoil(table), tmp_path), image=10, cache=cache)


def test_no_table(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        pairs_of(str(tmp_path / "none.csv"), cache=cache)
    (tmp_path / "bad.parquet").write_bytes(b"PAR0")
    with pytest.raises(InputError, match="cannot be read"):
        pairs_of(str(tmp_path / "bad.parquet"), cache=cache)


def test_a_caption_longer_than_the_context_is_named(
    table: pd.DataFrame, tmp_path: Path, cache: Path
) -> None:
    table = change("caption", 9, "word " * 30)(table)
    message = (
        r"row 9: caption 'word word.*' is 3\d tokens long .* the context is 20, "
        r"3\d is needed for the longest"
    )
    with pytest.raises(InputError, match=message):
        pairs_of(written(table, tmp_path), image=10, context=20, cache=cache)
    with pytest.raises(InputError, match=r"caption 1: caption 'a photo of a 0\.' is 8 tokens"):
        pairs_of("digits", context=7, cache=cache)
    assert pairs_of("digits", context=9, cache=cache).context == 9


@pytest.mark.parametrize("templates", [[], ["a photo"], ["{} or {}"], ["{0}"], ["{name} {}"]])
def test_bad_templates(templates: list[str], cache: Path) -> None:
    with pytest.raises(InputError, match=r"captions: .*; valid: .*'a photo of a \{\}\.'"):
        pairs_of("digits", captions=templates, cache=cache)


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1))
def test_any_text_reads_back(texts: list[str]) -> None:
    for name in ("bytes", "bpe:400"):
        model = trained(name, texts)
        rows = token_rows(texts, model, None, str)
        assert rows.min() >= PAD
        assert rows.max() < model.vocab + SPECIAL
        for given_text, row in zip(texts, rows, strict=True):
            end = row.tolist().index(END)
            assert model.decode(row[1:end] - SPECIAL).decode() == given_text


def test_names_of_classes_read_as_words() -> None:
    found = from_templates(["a {}", "{}!"], ["fire_engine", "cat"])
    assert found == ["a fire engine", "fire engine!", "a cat", "cat!"]
