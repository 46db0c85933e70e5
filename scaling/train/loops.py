"""Whether a chunk of steps is one compiled scan or one compiled step called again and again."""

from __future__ import annotations

from typing import Literal

Loop = Literal["scan", "steps"]


def loop_of(family: str, backend: str) -> Loop:
    """The faster of the two, by measurement."""
    convolutional = family in ("cnn", "vgg", "alexnet", "resnet")
    return "steps" if convolutional and backend == "cpu" else "scan"
