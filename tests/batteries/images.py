"""What every source of images must do, whoever wrote it, in memory or as a stream."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from scaling.data import Images, ImageStream, images_of


def check_images(source: str, cache: Path, **options: Any) -> Images | ImageStream:
    """In two parts, described truly, and the same when it is opened again."""
    data = images_of(source, cache=cache, **options)
    again = images_of(source, cache=cache, **options)
    assert data == again
    assert data.facts == again.facts
    assert (data.mean, data.std) == (again.mean, again.std)
    assert data.facts["source"] == data.name == source
    assert data.facts["licence"]
    assert data.facts["held_out"]
    assert data.facts["images"] == {"train": data.n_train, "held_out": data.n_held_out}
    dims = data.dims()
    assert {name: data.facts[name] for name in ("image", "channels")} == {
        name: dims[name] for name in ("image", "channels")
    }
    assert len(data.classes) == len(set(data.classes)) == dims["classes"]
    assert len(data.mean) == len(data.std) == dims["channels"]
    assert all(0 <= mean <= 1 for mean in data.mean)
    assert all(0 < std <= 0.5 for std in data.std)
    if isinstance(data, Images):
        check_arrays(data)
    else:
        check_stream(data)
    return data


def check_arrays(data: Images) -> None:
    """Whole in memory: no image in both parts, the training part in a fair order."""
    dims = data.dims()
    for images, labels in (
        (data.train, data.train_labels),
        (data.held_out, data.held_out_labels),
    ):
        assert images.dtype == np.uint8
        assert labels.dtype == np.int32
        assert images.shape == (len(labels), dims["image"], dims["image"], dims["channels"])
        assert set(np.unique(labels)) == set(range(dims["classes"]))
        assert not images.flags.writeable
    held_out = {image.tobytes() for image in data.held_out}
    assert not any(image.tobytes() in held_out for image in data.train)
    check_fair(data.train_labels, dims["classes"])
    shares = data.train.reshape(-1, dims["channels"]) / 255
    np.testing.assert_allclose(data.mean, shares.mean(0), atol=1e-6)
    np.testing.assert_allclose(data.std, shares.std(0), atol=1e-6)


def check_stream(data: ImageStream) -> None:
    """Batches of the right kind; resumable anywhere; the held-out part once."""
    dims = data.dims()
    shape = (dims["image"], dims["image"], dims["channels"])
    unique = data.n_train - 1
    batch = max(2, data.n_train // 3)

    def steps(first: int, count: int, seed: int = 7) -> list[tuple[bytes, bytes]]:
        batches = data.train_batches(unique=unique, batch=batch, seed=seed, first_step=first)
        found = []
        for images, labels in itertools.islice(batches, count):
            assert (images.dtype, images.shape) == (np.uint8, (batch, *shape))
            assert (labels.dtype, labels.shape) == (np.int32, (batch,))
            assert 0 <= labels.min() <= labels.max() < dims["classes"]
            found.append((images.tobytes(), labels.tobytes()))
        batches.close()
        return found

    whole = steps(0, 8)  # more than two epochs
    assert len(set(whole)) == 8
    assert steps(5, 3) == whole[5:]
    assert steps(0, 1, seed=8) != whole[:1]

    # One image of each class, or as near as can be, is what the first few are.
    few = 2 * dims["classes"]
    [(_, labels)] = itertools.islice(data.train_batches(unique=few, batch=few, seed=0), 1)
    assert np.bincount(labels, minlength=dims["classes"]).max() <= 4

    held_out = list(data.held_out_batches(5))
    check_fair(np.concatenate([labels for _, labels in held_out]), dims["classes"])
    assert sum(len(labels) for _, labels in held_out) == data.n_held_out
    assert all(len(labels) == 5 for _, labels in held_out[:-1])
    assert all(images.shape[1:] == shape for images, _ in held_out)
    for (images, _), (same, _) in zip(held_out, data.held_out_batches(5), strict=True):
        assert np.array_equal(images, same)


def check_fair(labels: Any, classes: int) -> None:
    """The first n hold each class in its share, to within two images."""
    counts = np.cumsum(np.eye(classes)[labels], axis=0)
    due = np.outer(np.arange(1, len(labels) + 1) / len(labels), counts[-1])
    assert np.abs(counts - due).max() <= 2
