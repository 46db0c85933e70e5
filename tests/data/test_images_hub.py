"""Hugging Face data sets and WebDataset shards, written by the libraries themselves, offline."""

from __future__ import annotations

import io
import itertools
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batteries.images import check_images

from scaling.data import Images, images_of
from scaling.data.image_stream import EncodedImages
from scaling.errors import InputError

WHY = "is missing: pip install 'scaling-laws[train,hub]'"
datasets = pytest.importorskip("datasets", reason=f"datasets {WHY}")
webdataset = pytest.importorskip("webdataset", reason=f"webdataset {WHY}")
Image = pytest.importorskip("PIL.Image", reason=f"Pillow {WHY}")
pytest.importorskip("grain", reason=f"grain {WHY}")

COLOURS = np.array([(220, 30, 30), (30, 220, 30), (30, 30, 220)])
NAMES = ["ant", "bee", "cow"]


def pixels(n: int, side: int) -> Any:
    noise = np.random.default_rng(n).integers(-25, 26, (side, side, 3))
    return (COLOURS[n % 3] + noise).clip(0, 255).astype(np.uint8)


def png(n: int, side: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels(n, side)).save(out, "PNG")
    return out.getvalue()


def rows(first: int, count: int, side: int, label: Any = None) -> Any:
    """A data set of images and class labels, or labels of a kind of its own."""
    numbers = range(first, first + count)
    label = label or (lambda n: n % 3)
    labels = [label(n) for n in numbers]
    kind = datasets.ClassLabel(names=NAMES) if isinstance(labels[0], int) else None
    return datasets.Dataset.from_dict(
        {"photo": [{"bytes": png(n, side), "path": None} for n in numbers], "label": labels},
        features=datasets.Features(
            {"photo": datasets.Image(), "label": kind or datasets.Value("string")}
        ),
    )


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def saved(path: Path, **splits: Any) -> str:
    datasets.DatasetDict(splits).save_to_disk(path)
    return f"hub:{path}"


def shard(path: Path, samples: list[dict[str, Any]]) -> None:
    with webdataset.TarWriter(str(path)) as writer:
        for n, sample in enumerate(samples):
            writer.write({"__key__": f"{path.stem}/{n:04d}.v1"[:-3], **sample})


def check_small(data: object, held_out: int) -> None:
    assert isinstance(data, Images)
    assert data.dims() == {"image": 12, "channels": 3, "classes": 3}
    assert data.n_held_out == held_out
    for images, labels in ((data.train, data.train_labels), (data.held_out, data.held_out_labels)):
        shown = np.abs(images.mean((1, 2))[:, None] - COLOURS).sum(-1).argmin(1)
        assert np.array_equal(shown, labels)


def check_streamed(data: object, n_train: int) -> None:
    assert isinstance(data, EncodedImages)
    assert (data.n_train, data.dims()["image"]) == (n_train, 32)
    for batches in (data.train_batches(unique=n_train, batch=16, seed=0), data.held_out_batches(8)):
        for images, labels in itertools.islice(batches, 5):
            shown = np.abs(images.mean((1, 2))[:, None] - COLOURS).sum(-1).argmin(1)
            assert np.array_equal(shown, labels)


def test_a_small_saved_data_set_is_held_in_memory(tmp_path: Path, cache: Path) -> None:
    source = saved(tmp_path / "d", train=rows(0, 60, 12), test=rows(60, 12, 12))
    data = check_images(source, cache)
    check_small(data, 12)
    assert isinstance(data, Images)
    assert data.classes == ("ant", "bee", "cow")
    assert data.facts["held_out"] == "the source's own test part"
    assert {i.tobytes() for i in data.train} == {pixels(n, 12).tobytes() for n in range(60)}
    assert images_of(source, image=6, cache=cache).dims()["image"] == 6


@pytest.mark.parametrize("workers", [0, 1])
def test_a_large_one_is_streamed(workers: int, tmp_path: Path, cache: Path) -> None:
    source = saved(tmp_path / "d", train=rows(0, 60, 80), validation=rows(60, 12, 80))
    check_streamed(images_of(source, image=32, workers=workers, cache=cache), 60)
    if not workers:
        check_images(source, cache, image=32, workers=0)


def test_names_of_classes_from_text_and_a_share_held_out(tmp_path: Path, cache: Path) -> None:
    source = saved(tmp_path / "d", train=rows(0, 60, 12, lambda n: NAMES[::-1][n % 3]))
    data = images_of(source, held_out=0.2, cache=cache)
    assert isinstance(data, Images)
    assert data.classes == ("ant", "bee", "cow")
    assert data.n_held_out == 12
    [first] = {
        int(c) for c, i in zip(data.train_labels, data.train, strict=True) if i[0, 0, 0] > 150
    }
    assert data.classes[first] == "cow"


def test_one_split_alone_and_grey_images(tmp_path: Path, cache: Path) -> None:
    grey = rows(0, 30, 12).map(lambda row: {"photo": row["photo"].convert("L")})
    grey.save_to_disk(tmp_path / "d")
    data = images_of(f"hub:{tmp_path / 'd'}", cache=cache)
    assert data.dims() == {"image": 12, "channels": 1, "classes": 3}


def test_files_that_the_library_reads_by_itself(tmp_path: Path, cache: Path) -> None:
    rows(0, 60, 12).to_parquet(tmp_path / "d" / "train-0.parquet")
    rows(60, 12, 12).to_parquet(tmp_path / "d" / "test-0.parquet")
    check_small(images_of(f"hub:{tmp_path / 'd'}", cache=cache), 12)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"fit": rows}, "no split 'train'; it has fit"),
        (
            {"train": lambda *a: rows(*a).remove_columns("photo")},
            r"no column of images \(of type Image\); it has label \(ClassLabel\)",
        ),
        (
            {"train": lambda *a: rows(*a).remove_columns("label")},
            r"no column of labels \(a ClassLabel, .* it has photo \(Image\)",
        ),
    ],
)
def test_other_data_sets_are_refused(
    splits: dict[str, Any], message: str, tmp_path: Path, cache: Path
) -> None:
    source = saved(tmp_path / "d", **{name: make(0, 6, 12) for name, make in splits.items()})
    with pytest.raises(InputError, match=message):
        images_of(source, cache=cache)


def test_labels_that_training_lacks_are_refused(tmp_path: Path, cache: Path) -> None:
    names = rows(0, 30, 12, lambda n: NAMES[n % 3])
    other = rows(30, 6, 12, lambda n: "dog")
    with pytest.raises(InputError, match=r"image 0 has label -1 \(6 such images\); valid: 0 to 2"):
        images_of(saved(tmp_path / "d", train=names, test=other), cache=cache)


def test_a_name_that_is_none(cache: Path) -> None:
    with pytest.raises(InputError, match="hub:nobody/nothing: cannot be loaded"):
        images_of("hub:nobody/nothing", cache=cache)


@pytest.mark.parametrize("source", ["hub:mnist", "webdataset:x.tar"])
def test_a_missing_library_names_the_extra(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setitem(sys.modules, "braceexpand", None)
    with pytest.raises(InputError, match=r"scaling-laws\[hub\]"):
        images_of(source)


@pytest.mark.parametrize(
    "label",
    [
        lambda n: {"cls": n % 3},
        lambda n: {"txt": NAMES[n % 3]},
        lambda n: {"json": {"label": n % 3, "other": 7}},
    ],
)
def test_small_shards_are_held_in_memory(label: Any, tmp_path: Path, cache: Path) -> None:
    for part, first, count in (("train-0", 0, 30), ("train-1", 30, 30), ("val-0", 60, 12)):
        numbers = range(first, first + count)
        shard(tmp_path / f"{part}.tar", [{"png": pixels(n, 12)} | label(n) for n in numbers])
    pattern = f"webdataset:{tmp_path}/train-{{0..1}}.tar|{tmp_path}/val-*.tar"
    check_small(check_images(pattern, cache), 12)


@pytest.mark.parametrize("workers", [0, 2])
def test_large_shards_are_streamed(workers: int, tmp_path: Path, cache: Path) -> None:
    samples = [{"jpg": pixels(n, 80), "cls": n % 3} for n in range(60)]
    shard(tmp_path / "a-0.tar", samples[:25])
    shard(tmp_path / "a-1.tar", samples[25:])
    source = f"webdataset:{tmp_path}/a-?.tar"
    data = images_of(source, image=32, workers=workers, held_out=0.2, cache=cache)
    check_streamed(data, 48)
    if not workers:
        check_images(source, cache, image=32, workers=0, held_out=0.2)
    assert data.facts["held_out"] == "20% of each class"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing-{0..3}.tar", r"nothing-0\.tar matches no file"),
        ("https://host/a.tar", "must be files on this machine"),
        ("a.tar|b.tar|c.tar", r"more than one '\|'"),
        ("{folder}/unlabelled.tar", r"unlabelled\.tar: sample '.*0000' has no label; valid"),
        ("{folder}/bad.tar", r"sample '.*0000': its \.json is bad"),
        ("{folder}/cut.tar", "not a whole, uncompressed tar file"),
        ("{folder}/gaps.tar", "class '1' has no images"),
        ("{folder}/negative.tar", "image 0 has label -1"),
        ("{folder}/empty.tar", "no images"),
    ],
)
def test_bad_shards(given: str, message: str, tmp_path: Path, cache: Path) -> None:
    picture = pixels(0, 12)
    shard(tmp_path / "unlabelled.tar", [{"png": picture}])
    shard(tmp_path / "bad.tar", [{"png": picture, "json": b"{"}])
    shard(tmp_path / "gaps.tar", [{"png": picture, "cls": n} for n in (0, 2)])
    shard(tmp_path / "negative.tar", [{"png": picture, "cls": n} for n in (-1, 0)])
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    whole = (tmp_path / "gaps.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:700])
    with pytest.raises(InputError, match=message):
        images_of(f"webdataset:{given.replace('{folder}', str(tmp_path))}", cache=cache)


def test_corrupt_small_images_are_counted(tmp_path: Path, cache: Path) -> None:
    samples = [{"png": png(n, 12), "cls": n % 3} for n in range(60)]
    samples[7]["png"] = samples[7]["png"][:100]
    shard(tmp_path / "a.tar", samples)
    source = f"webdataset:{tmp_path}/a.tar"
    with pytest.raises(InputError, match=r"1 of 60 images are corrupt, 1.00% may be: .*\.tar"):
        images_of(source, cache=cache)
    data = images_of(source, corrupt=0.05, cache=cache)
    assert data.n_train + data.n_held_out == 59
    assert len(data.facts["corrupt_images_left_out"]) == 1
