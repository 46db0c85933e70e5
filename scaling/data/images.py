"""Images with labels: in memory whole, or a stream of batches that are decoded on the way.

Both state the same facts; only how a batch is made differs. Images are uint8
[batch, height, width, channels], square, labels int32 [batch].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Batch = tuple[NDArray[np.uint8], NDArray[np.int32]]


@dataclass(frozen=True)
class Images:
    """Images that lie in memory (or mapped from disk), in both parts.

    `train`, `held_out`: uint8 [n, image, image, channels]; labels int32 [n], below
    `len(classes)`. The training part lies in an order in which its first n images are a fair
    sample, whatever n is. `mean`, `std`: of each channel of the training part, as shares of 255.
    `fingerprint`: hash over images, labels and classes.
    """

    train: NDArray[np.uint8] = field(compare=False, repr=False)
    train_labels: NDArray[np.int32] = field(compare=False, repr=False)
    held_out: NDArray[np.uint8] = field(compare=False, repr=False)
    held_out_labels: NDArray[np.int32] = field(compare=False, repr=False)
    classes: tuple[str, ...] = field(compare=False)
    mean: tuple[float, ...] = field(compare=False)
    std: tuple[float, ...] = field(compare=False)
    name: str = field(compare=False)
    fingerprint: str
    facts: dict[str, Any] = field(compare=False, repr=False)

    @property
    def n_train(self) -> int:
        return len(self.train)

    @property
    def n_held_out(self) -> int:
        return len(self.held_out)

    def dims(self) -> dict[str, int]:
        """What a family asks of its data."""
        return {
            "image": self.train.shape[1],
            "channels": self.train.shape[3],
            "classes": len(self.classes),
        }


class ImageStream(Protocol):
    """Images too many to hold: decoded in other processes, batch by batch, in constant memory."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def facts(self) -> dict[str, Any]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def mean(self) -> tuple[float, ...]: ...
    @property
    def std(self) -> tuple[float, ...]: ...
    @property
    def n_train(self) -> int: ...
    @property
    def n_held_out(self) -> int: ...
    def dims(self) -> dict[str, int]: ...

    def train_batches(
        self, *, unique: int, batch: int, seed: int, first_step: int
    ) -> Iterator[Batch]:
        """Endless batches of the first `unique` training images, epoch after epoch, from step
        `first_step` on: the same batches as an undisturbed run would see from there."""
        ...

    def held_out_batches(self, batch: int) -> Iterator[Batch]:
        """The held-out part once, in a fixed order whose first n images are a fair sample; the last
        batch may be short."""
        ...
