"""What every source of images must do, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scaling.data import Images, images_of


def check_image_source(source: str, cache: Path) -> None:
    """In memory, in two parts, described truly, and the same when it is opened again."""
    data = images_of(source, cache=cache)
    assert isinstance(data, Images)
    again = images_of(source, cache=cache)
    assert data == again
    assert data.facts == again.facts
    assert data.facts["licence"]
    assert data.facts["images"] == {"train": data.n_train, "held_out": data.n_held_out}

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
    assert len(data.classes) == len(set(data.classes)) == dims["classes"]

    # No image is in both parts.
    held_out = {image.tobytes() for image in data.held_out}
    assert not any(image.tobytes() in held_out for image in data.train)

    # The first n are a fair sample: each class has its share, to within two images.
    counts = np.cumsum(np.eye(dims["classes"])[data.train_labels], axis=0)
    fair = np.outer(np.arange(1, data.n_train + 1) / data.n_train, counts[-1])
    assert np.abs(counts - fair).max() <= 2

    shares = data.train.reshape(-1, dims["channels"]) / 255
    np.testing.assert_allclose(data.mean, shares.mean(0), atol=1e-6)
    np.testing.assert_allclose(data.std, shares.std(0), atol=1e-6)
