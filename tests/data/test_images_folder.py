"""Folders of classes: what is listed, streamed, resumed - and refused."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from batteries.folders import CLASSES, COLOURS, spoil, stream, write
from batteries.images import check_images
from hypothesis import given
from hypothesis import strategies as st

from scaling.data import images_of
from scaling.data.epochs import read_at
from scaling.errors import InputError

pytest.importorskip("grain", reason="grain is missing: pip install 'scaling-laws[train]'")
Image = pytest.importorskip(
    "PIL.Image", reason="Pillow is missing: pip install 'scaling-laws[train]'"
)


def test_battery(original: Path, cache: Path) -> None:
    check_images(str(original), cache, image=16, workers=0)


def test_what_the_folder_is_is_told(original: Path, cache: Path) -> None:
    data = stream(original, cache)
    assert data.classes == CLASSES
    assert (data.n_train, data.n_held_out) == (90, 30)
    assert data.dims() == {"image": 16, "channels": 3, "classes": 3}
    assert data.facts["held_out"] == "the folder val"
    assert data.facts["images"] == {"train": 90, "held_out": 30}
    assert data.facts["bytes"] == sum(p.stat().st_size for p in original.rglob("*.*"))
    np.testing.assert_allclose(data.mean, COLOURS.mean(0) / 255, atol=0.01)
    np.testing.assert_allclose(data.std, (COLOURS / 255).std(0), atol=0.01)
    default = images_of(str(original), cache=cache)
    assert default.dims()["image"] == 224


def test_images_come_with_their_labels(original: Path, cache: Path) -> None:
    data = stream(original, cache)
    batches = data.train_batches(unique=90, batch=20, seed=0)
    for pixels, labels in itertools.islice(batches, 9):
        assert pixels.shape == (20, 16, 16, 3)
        assert (pixels.dtype, labels.dtype) == (np.uint8, np.int32)
        shown = np.abs(pixels.mean((1, 2))[:, None] - COLOURS).sum(-1).argmin(1)
        assert np.array_equal(shown, labels)


def test_an_epoch_shows_every_image_once(original: Path, cache: Path) -> None:
    data = stream(original, cache)
    labels = [y for _, y in itertools.islice(data.train_batches(unique=90, batch=30, seed=5), 6)]
    for epoch in (labels[:3], labels[3:]):
        assert np.bincount(np.concatenate(epoch)).tolist() == [30, 30, 30]
    assert not np.array_equal(np.concatenate(labels[:3]), np.concatenate(labels[3:]))


def test_the_first_n_are_of_all_classes_and_only_they_are_seen(original: Path, cache: Path) -> None:
    data = stream(original, cache)
    [(_, labels)] = itertools.islice(data.train_batches(unique=12, batch=24, seed=0), 1)
    assert np.bincount(labels).tolist() == [8, 8, 8]
    names = {data.train.name(n) for n in range(12)}
    assert len(names) == 12


def test_the_held_out_part_once_in_order(original: Path, cache: Path) -> None:
    batches = list(stream(original, cache).held_out_batches(8))
    assert [len(y) for _, y in batches] == [8, 8, 8, 6]
    labels = np.concatenate([y for _, y in batches])
    assert np.bincount(labels).tolist() == [10, 10, 10]


def test_without_a_held_out_folder_a_share_of_each_class_is(root: Path, cache: Path) -> None:
    shutil.rmtree(root / "val")
    data = stream(root, cache, held_out=0.2)
    assert (data.n_train, data.n_held_out) == (72, 18)
    parts = [{p.name(n) for n in range(len(p))} for p in (data.train, data.held_out)]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 90
    assert np.bincount(data.held_out.labels).tolist() == [6, 6, 6]
    assert data.facts["held_out"] == "20% of each class"
    assert stream(root, cache, held_out=0.204).fingerprint != data.fingerprint
    # By the files' own names and sizes: where the folder lies changes nothing.
    moved = stream(root.rename(root.with_name("elsewhere")), cache / "2", held_out=0.2)
    assert moved.fingerprint == data.fingerprint
    assert [Path(moved.held_out.name(n)).name for n in range(18)] == [
        Path(data.held_out.name(n)).name for n in range(18)
    ]


def test_a_change_is_seen_a_touch_is_not(root: Path, cache: Path) -> None:
    before = stream(root, cache)
    for path in root.rglob("*.*"):
        os.utime(path, (1, 1))
    assert stream(root, cache).fingerprint == before.fingerprint
    write(root / "train" / "bee" / "new.jpg", 1, 77)
    after = stream(root, cache)
    assert after.n_train == 91
    assert after.fingerprint != before.fingerprint


def test_classes_that_differ_are_named_on_both_sides(root: Path, cache: Path) -> None:
    (root / "val" / "cow").rename(root / "val" / "cat")
    message = "train and val differ: only in train: 'cow'; only in val: 'cat'"
    with pytest.raises(InputError, match=message):
        stream(root, cache)


def test_an_empty_class_is_named(root: Path, cache: Path) -> None:
    (root / "train" / "dog").mkdir()
    (root / "train" / "dog" / "notes.txt").write_text("woof")
    with pytest.raises(InputError, match=r"dog: no images in it \('dog' of 4 classes\); known: "):
        stream(root, cache)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("", "no folder 'train' in it; an image folder holds"),
        ("train", "no class folders in it; images lie in train/CLASS/"),
    ],
)
def test_a_folder_of_another_kind(made: str, message: str, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "x" / made).mkdir(parents=True)
    with pytest.raises(InputError, match=message):
        stream(tmp_path / "x", cache)


def test_a_corrupt_image_is_named_and_the_next_one_is_read(root: Path, cache: Path) -> None:
    [victim] = spoil(root, "train", 1)
    data = stream(root, cache, corrupt=0.02)
    batches = data.train_batches(unique=90, batch=30, seed=0)
    with pytest.warns(RuntimeWarning, match=f"{victim.name} .* is skipped") as warned:
        taken = list(itertools.islice(batches, 6))
    assert len([w for w in warned if "skipped" in str(w.message)]) == 1  # once, not each epoch
    assert all(len(labels) == 30 for _, labels in taken)
    shown = np.abs(taken[0][0].mean((1, 2))[:, None] - COLOURS).sum(-1).argmin(1)
    assert np.array_equal(shown, taken[0][1])


def test_a_corrupt_held_out_image_is_left_out(root: Path, cache: Path) -> None:
    spoil(root, "val", 2)
    data = stream(root, cache, corrupt=0.1)
    with pytest.warns(RuntimeWarning, match="is skipped"):
        sizes = [len(labels) for _, labels in data.held_out_batches(8)]
    assert sizes == [8, 8, 8, 4]


def test_nothing_but_corrupt_images(root: Path, cache: Path) -> None:
    spoil(root, "train", 90)
    with pytest.raises(InputError, match="neither it nor those after it can be decoded"):
        stream(root, cache)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": 0}, "image = 0; valid"),
        ({"corrupt": 1.0}, "corrupt = 1.0; valid"),
        ({"held_out": 0.9}, "held_out = 0.9; valid"),
    ],
)
def test_bad_options(given: dict[str, float], message: str, root: Path, cache: Path) -> None:
    shutil.rmtree(root / "val")
    with pytest.raises(InputError, match=message):
        images_of(str(root), cache=cache, **given)


def test_a_missing_library_names_the_extra(
    original: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = stream(original, cache).held_out_batches(8)
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(InputError, match=r"by grain: pip install 'scaling-laws\[train\]'"):
        next(batches)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InputError, match=r"by Pillow: pip install 'scaling-laws\[train\]'"):
        stream(original, cache / "new")


def test_bad_batches(original: Path, cache: Path) -> None:
    data = stream(original, cache)
    with pytest.raises(InputError, match=r"unique = 91; image data .* has 90 training images"):
        data.train_batches(unique=91, batch=8, seed=0)
    with pytest.raises(InputError, match="batch = 0"):
        data.held_out_batches(0)


@given(st.integers(1, 50), st.integers(0, 2**31), st.integers(0, 200), st.integers(1, 100))
def test_any_range_of_positions_can_be_asked_for(n: int, seed: int, begin: int, m: int) -> None:
    whole = read_at(np.arange(300), n, seed)
    assert np.array_equal(read_at(np.arange(begin, begin + m), n, seed), whole[begin : begin + m])
    for epoch in range(300 // n):
        assert sorted(whole[epoch * n : (epoch + 1) * n]) == list(range(n))
