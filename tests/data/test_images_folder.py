"""Folders of classes: what is listed, streamed, resumed - and refused."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from batteries.images import check_images
from hypothesis import given
from hypothesis import strategies as st

from scaling.data import images_of
from scaling.data.epochs import read_at
from scaling.data.image_stream import EncodedImages
from scaling.data.images import Batch
from scaling.errors import InputError

pytest.importorskip("grain", reason="grain is missing: pip install 'scaling-laws[train]'")
Image = pytest.importorskip(
    "PIL.Image", reason="Pillow is missing: pip install 'scaling-laws[train]'"
)

CLASSES = ("ant", "bee", "cow")
# What a class looks like, so that an image tells its label.
COLOURS = np.array([(220, 30, 30), (30, 220, 30), (30, 30, 220)])


def write(path: Path, label: int, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-25, 26, (size[1], size[0], 3))
    Image.fromarray((COLOURS[label] + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety images for training, thirty in `val`, in three classes and every known suffix."""
    root = tmp_path_factory.mktemp("pictures")
    suffixes = itertools.cycle(("JPEG", "jpg", "PNG", "webp", "jpeg"))
    for part, count in (("train", 30), ("val", 10)):
        for label, name in enumerate(CLASSES):
            for n in range(count):
                seed = n + 1000 * label + 10_000 * (part == "val")
                write(root / part / name / f"{n:03d}.{next(suffixes)}", label, seed)
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(original, tmp_path / "pictures")


def stream(root: Path, cache: Path, **options: object) -> EncodedImages:
    data = images_of(str(root), image=16, cache=cache, **{"workers": 0, **options})  # type: ignore[arg-type]
    assert isinstance(data, EncodedImages)
    return data


def take(batches: Iterator[Batch], n: int) -> list[tuple[bytes, bytes]]:
    taken = [(x.tobytes(), y.tobytes()) for x, y in itertools.islice(batches, n)]
    batches.close()  # type: ignore[attr-defined]
    return taken


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


def test_the_same_bits_from_any_number_of_workers_and_from_any_step(
    original: Path, cache: Path
) -> None:
    alone = stream(original, cache, workers=0)
    # 90 images, 20 a batch: steps 4 and 9 span two epochs.
    whole = take(alone.train_batches(unique=90, batch=20, seed=3), 12)
    assert len(set(whole)) == 12
    assert whole != take(alone.train_batches(unique=90, batch=20, seed=4), 12)
    for workers, first in ((0, 7), (1, 4), (3, 0)):
        data = stream(original, cache, workers=workers)
        batches = data.train_batches(unique=90, batch=20, seed=3, first_step=first)
        assert take(batches, 12 - first) == whole[first:], (workers, first)


def test_the_held_out_part_once_in_order(original: Path, cache: Path) -> None:
    one, two = (stream(original, cache, workers=w) for w in (0, 2))
    batches = list(one.held_out_batches(8))
    assert [len(y) for _, y in batches] == [8, 8, 8, 6]
    assert take(one.held_out_batches(8), 9) == take(two.held_out_batches(8), 9)
    labels = np.concatenate([y for _, y in batches])
    assert np.array_equal(labels, np.repeat([0, 1, 2], 10))


def test_without_a_held_out_folder_a_share_of_each_class_is(root: Path, cache: Path) -> None:
    shutil.rmtree(root / "val")
    data = stream(root, cache, held_out=0.2)
    assert (data.n_train, data.n_held_out) == (72, 18)
    parts = [{p.name(n) for n in range(len(p))} for p in (data.train, data.held_out)]  # type: ignore[arg-type]
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


def spoil(root: Path, part: str, count: int) -> list[Path]:
    """Half a file for each of the first images of a part."""
    victims = sorted((root / part).rglob("*.*"))[:count]
    for path in victims:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return victims


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


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("ignore:.*is skipped:RuntimeWarning")
def test_too_many_corrupt_images_are_an_error(workers: int, root: Path, cache: Path) -> None:
    victims = spoil(root, "train", 4)
    data = stream(root, cache, corrupt=0.04, workers=workers)
    message = r"4 of 90 images are corrupt, 4.00% may be: .*" + victims[0].name
    with pytest.raises(InputError, match=message):
        list(itertools.islice(data.train_batches(unique=90, batch=30, seed=0), 4))


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
        images_of(str(root), cache=cache, **given)  # type: ignore[arg-type]


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


def test_a_stream_that_is_held_to_the_end_ends_in_silence(original: Path, cache: Path) -> None:
    code = f"""
import pathlib
from scaling.data import images_of
if __name__ == "__main__":
    cache = pathlib.Path({str(cache)!r})
    data = images_of({str(original)!r}, image=16, workers=1, cache=cache)
    batches = data.train_batches(unique=90, batch=20, seed=0)
    next(batches)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_workers_end_with_a_parent_that_is_killed(original: Path, cache: Path) -> None:
    code = f"""
import sys, multiprocessing, pathlib
from scaling.data import images_of
if __name__ == "__main__":
    cache = pathlib.Path({str(cache)!r})
    data = images_of({str(original)!r}, image=16, workers=2, cache=cache)
    batches = data.train_batches(unique=90, batch=20, seed=0)
    next(batches)
    print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)
    sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


@given(st.integers(1, 50), st.integers(0, 2**31), st.integers(0, 200), st.integers(1, 100))
def test_any_range_of_positions_can_be_asked_for(n: int, seed: int, begin: int, m: int) -> None:
    whole = read_at(np.arange(300), n, seed)
    assert np.array_equal(read_at(np.arange(begin, begin + m), n, seed), whole[begin : begin + m])
    for epoch in range(300 // n):
        assert sorted(whole[epoch * n : (epoch + 1) * n]) == list(range(n))
