"""The registry of image sources, their split, and bad input to them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from batteries.images import check_images
from hypothesis import given
from hypothesis import strategies as st

from scaling.data import Images, image_sources, images_of, registry
from scaling.data.image_sources import LabelledImages, Part, digits, fashion_mnist
from scaling.data.image_split import fair_order
from scaling.errors import InputError

Add = Callable[[LabelledImages], None]


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Adds a source called `theirs` as another package would, by an entry point."""

    def add(images: LabelledImages) -> None:
        source = SimpleNamespace(
            NAME="theirs", LICENCE="MIT", version=lambda: "1", images=lambda: images
        )
        entry = SimpleNamespace(load=lambda: source)
        monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
        image_sources.registry.cache_clear()

    yield add
    image_sources.registry.cache_clear()


def part(n: int, classes: int = 3, seed: int = 0) -> Part:
    """Images of noise, 6 x 6 in colour; no class is empty."""
    rng = np.random.default_rng(seed)
    return Part(rng.integers(0, 256, (n, 6, 6, 3), np.uint8), np.arange(n) % classes)


def held(data: object) -> set[bytes]:
    assert isinstance(data, Images)
    return {image.tobytes() for image in data.held_out}


@pytest.mark.parametrize("name", image_sources.names())
def test_battery(name: str, cache: Path) -> None:
    if name == "digits" and find_spec("sklearn") is None:
        pytest.skip("digits are in scikit-learn: pip install 'scaling-laws[train]'")
    if name == "fashion-mnist" and not fashion_mnist.DEBIAN.is_dir():
        pytest.skip("Fashion-MNIST is not installed: apt install dataset-fashion-mnist")
    check_images(name, cache)


def test_battery_of_an_entry_point(theirs: Add, cache: Path) -> None:
    theirs(LabelledImages(("a", "b", "c"), part(90)))
    check_images("theirs", cache)


def test_the_split_hangs_on_contents_not_on_order(theirs: Add, cache: Path) -> None:
    whole = part(300)
    theirs(LabelledImages(("a", "b", "c"), whole))
    one = images_of("theirs", cache=cache / "1")
    mixed = np.random.default_rng(1).permutation(300)
    theirs(LabelledImages(("a", "b", "c"), Part(whole.images[mixed], whole.labels[mixed])))
    other = images_of("theirs", cache=cache / "2")
    assert held(one) == held(other)
    assert np.array_equal(one.train, other.train)
    assert np.array_equal(one.train_labels, other.train_labels)
    assert one.facts["images_a_class"]["held_out"] == [10, 10, 10]


def test_duplicates_are_never_held_out_and_are_counted(theirs: Add, cache: Path) -> None:
    whole = part(300)
    whole.images[200:230] = whole.images[100]
    theirs(LabelledImages(("a", "b", "c"), whole))
    data = images_of("theirs", held_out=0.3, cache=cache)
    assert whole.images[100].tobytes() not in held(data)
    assert data.facts["exact_duplicates_within_training"] == 30
    assert data.facts["exact_duplicates_dropped_from_training"] == 0


def test_what_stands_in_the_test_part_too_is_not_trained_on(theirs: Add, cache: Path) -> None:
    train, test = part(60), part(12, seed=1)
    train.images[5:8] = test.images[0]
    theirs(LabelledImages(("a", "b", "c"), train, test))
    data = images_of("theirs", cache=cache)
    assert data.facts["exact_duplicates_dropped_from_training"] == 3
    assert data.facts["images"] == {"train": 57, "held_out": 12}
    assert np.array_equal(data.held_out, test.images)


def test_another_side_is_filtered_not_picked(theirs: Add, cache: Path) -> None:
    stripes = part(30)
    stripes.images[...] = np.where(np.arange(6) % 2, 200, 0)[:, None].astype(np.uint8)
    stripes.images[:, 0, 0, 0] = np.arange(30)  # no two images the same
    theirs(LabelledImages(("a", "b", "c"), stripes))
    data = images_of("theirs", image=3, cache=cache)
    assert data.dims()["image"] == 3
    assert np.abs(data.train[:, 1:, 1:] - 100.0).max() < 40  # every third column is 0 or 200
    assert data.fingerprint != images_of("theirs", cache=cache).fingerprint


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_a_fair_order_gives_each_class_its_share(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    rng = np.random.default_rng(seed)
    order = fair_order(labels, rng.integers(0, 2**63, len(labels), np.uint64))
    assert sorted(order) == list(range(len(labels)))
    seen = np.cumsum(np.eye(len(counts))[labels[order]], axis=0)
    shares = np.array(counts) / len(labels)
    due = np.outer(np.arange(1, len(labels) + 1), shares)
    # Half an image for rounding each class, a whole one for whose turn it is.
    assert (np.abs(seen - due) <= 1.5 + len(counts) / 2 * shares + 1e-9).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "fashion-mist",
            r"known: digits, fashion-mnist, a .*; did you mean 'fashion-mnist'",
        ),
        ("nothing", r"no image data called 'nothing'; known: .*hub:NAME, webdataset:SHARDS$"),
    ],
)
def test_unknown_source(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        images_of(source)


@pytest.mark.parametrize("share", [0, -0.1, 0.6])
def test_a_share_that_is_none(share: float, theirs: Add, cache: Path) -> None:
    theirs(LabelledImages(("a", "b", "c"), part(30)))
    with pytest.raises(InputError, match=r"held_out = .*valid is a share"):
        images_of("theirs", held_out=share, cache=cache)


def test_bad_labels_and_empty_classes_are_named(theirs: Add, cache: Path) -> None:
    bad = part(30)
    bad.labels[[7, 9]] = 3
    theirs(LabelledImages(("a", "b", "c"), bad))
    with pytest.raises(InputError, match=r"image 7 has label 3 \(2 such.*valid: 0 to 2"):
        images_of("theirs", cache=cache)
    theirs(LabelledImages(("a", "b", "c", "d"), part(30)))
    with pytest.raises(InputError, match="class 'd' has no images"):
        images_of("theirs", cache=cache)
    theirs(LabelledImages(("a", "b", "c"), part(0)))
    with pytest.raises(InputError, match="no images"):
        images_of("theirs", cache=cache)
    theirs(LabelledImages(("a", "b", "c"), part(4)))
    with pytest.raises(InputError, match="class 'b': 1 images"):
        images_of("theirs", cache=cache)


def test_digits_without_scikit_learn_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise digits.PackageNotFoundError(name)

    monkeypatch.setattr(digits, "installed", missing)
    with pytest.raises(InputError, match=r"scaling-laws\[train\]"):
        images_of("digits")


def test_foreign_files_in_fashion_mnists_place_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    for file in fashion_mnist.SHA256:
        (tmp_path / file).write_bytes(gzip.compress(b"something else"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path)
    with pytest.raises(InputError, match="not Fashion-MNIST: SHA-256"):
        images_of("fashion-mnist", cache=cache)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz: cannot be read"):
        images_of("fashion-mnist", cache=cache)


def test_fashion_mnist_is_downloaded_where_debian_has_it_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    """With a stand-in for the network: what is asked for, and what is said when it fails."""
    debian = fashion_mnist.DEBIAN
    if not debian.is_dir():
        pytest.skip("Fashion-MNIST is not installed: apt install dataset-fashion-mnist")
    asked = {}

    def retrieve(url: str, known_hash: str, fname: str, path: Path) -> str:
        asked[fname] = (url, known_hash, path)
        return str(debian / fname)

    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "none")
    monkeypatch.setenv("SCALING_CACHE", str(cache))
    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert fashion_mnist.images().train.images.shape == (60_000, 28, 28, 1)
    assert set(asked) == set(fashion_mnist.SHA256)
    for file, (url, known_hash, path) in asked.items():
        assert url == fashion_mnist.HOME + file
        assert known_hash == f"sha256:{fashion_mnist.SHA256[file][0]}"
        assert path.is_relative_to(cache)

    def offline(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("pooch.retrieve", offline)
    with pytest.raises(InputError, match=r"could not be had \(no network\).*apt install"):
        fashion_mnist.images()


def test_importing_the_floor_imports_no_image_library() -> None:
    heavy = "{'jax', 'PIL', 'grain', 'sklearn', 'datasets', 'webdataset', 'tokenizers', 'pooch'}"
    code = f"import sys, scaling.data; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
