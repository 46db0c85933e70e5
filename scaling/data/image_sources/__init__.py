"""Where labelled images come from that fit in memory: one module a source.

The folder is the registry: a module that declares `NAME`, `LICENCE`, `version()` and `images()` is
a source. Other packages add theirs through the entry-point group `scaling.data.images`; an entry
point names such a module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.data.registry import declared


@dataclass(frozen=True)
class Part:
    """`images`: uint8 [n, side, side, channels]. `labels`: whole numbers [n]."""

    images: NDArray[np.uint8]
    labels: NDArray[Any]


@dataclass(frozen=True)
class LabelledImages:
    """A source read whole. `held_out`: its own test part, or None: then `train` is all there is.

    `facts`: what else there is to say of it, plain JSON.
    """

    classes: tuple[str, ...]
    train: Part
    held_out: Part | None = None
    facts: dict[str, Any] | None = None


class ImageSource(Protocol):
    """What a source's module declares."""

    NAME: str
    LICENCE: str

    def version(self) -> str:
        """What the images hang on, told without reading them: another version, other images."""
        ...

    def images(self) -> LabelledImages: ...


@cache
def registry() -> dict[str, ImageSource]:
    """All sources by name."""
    return declared(__name__, __path__, "scaling.data.images", "image sources")


def names() -> tuple[str, ...]:
    """The names of all sources, sorted."""
    return tuple(sorted(registry()))
