"""Trains small cells of every kind on one device and on a mesh, and prints what came out as JSON.

python spread_runs.py DATA FSDP CASE...   (a process of its own: the number of simulated devices is
set by XLA_FLAGS before JAX starts)
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scaling import families
from scaling.data import Corpus, EpochOrder, Images, Pairs
from scaling.data.images import Batch
from scaling.grid import CHUNK_STEPS, Cell, Devices, Recipe
from scaling.models import spread
from scaling.train import mesh
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome
from scaling.train.step import Program

SIDE, CLASSES = 8, 4
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "text": ("transformer", {"width": 32, "depth": 1}, {}),
    "microbatches": ("transformer", {"width": 32, "depth": 1}, {"microbatch": 8}),
    "experts": ("transformer", {"width": 32, "depth": 1, "experts": 4}, {}),
    "images": ("cnn", {"width": 16, "depth": 2}, {"augment": "shift-flip"}),
    "stream": ("mlp", {"width": 32, "depth": 1}, {}),
    "pairs": ("coca", {"width": 32, "depth": 1, "patch": 4}, {}),
}


def text() -> Corpus:
    tokens = np.random.default_rng(0).integers(0, 64, 6000).astype(np.uint16)
    tokens[1::2] = (tokens[::2] + 1) % 64
    whole = np.zeros(1, np.int64)  # documents: not asked for
    return Corpus(tokens[:5000], tokens[5000:], whole, whole, "pairs", 64, "", {}, "")


def images() -> Images:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 192).astype(np.int32)
    pixels = rng.integers(0, 120, (192, SIDE, SIDE, 3)) + 30 * labels[:, None, None, None]
    pixels = pixels.astype(np.uint8)
    parts = (pixels[:128], labels[:128], pixels[128:], labels[128:])
    return Images(*parts, tuple("abcd"), (0.4,) * 3, (0.2,) * 3, "brightness", "", {})


class Stream:
    """The same images, as a stream."""

    name, fingerprint, facts, classes = "brightness", "", {}, tuple("abcd")
    mean, std = (0.4,) * 3, (0.2,) * 3

    def __init__(self, images: Images) -> None:
        self.images = images
        self.n_train, self.n_held_out = images.n_train, images.n_held_out

    def train_batches(
        self, *, unique: int, batch: int, seed: int, first_step: int
    ) -> Iterator[Batch]:
        order = EpochOrder(unique, batch, seed)
        for at in range(first_step, 10**6):
            picks = order.picks(at, 1)[0]
            yield self.images.train[picks], self.images.train_labels[picks]

    def held_out_batches(self, batch: int) -> Iterator[Batch]:
        yield self.images.held_out, self.images.held_out_labels


def pairs() -> Pairs:
    shown = images()
    captions = np.array([[1, 3 + c, 2, 0] for c in range(CLASSES)], np.int32)
    rows = shown.train_labels, shown.held_out_labels
    return Pairs(shown, captions, *rows, captions[:, None], 8, "", {}, "")


def made(case: str) -> tuple[Cell, Any]:
    name, dials, train = CASES[case]
    family = families.get(name)
    data: Any = {"token": text, "image": images, "pair": pairs}[family.UNIT]()
    dims = data.dims() | ({"context": 16} if family.UNIT == "token" else {})
    recipe = Recipe(
        learning_rate=0.002, batch_tokens=16 * 16, batch_images=32, warmup_steps=4, **train
    )
    cell = Cell(
        role="pilot",
        family=name,
        shape=family.from_dials(**dims, **dials),
        recipe=recipe,
        steps=2 * CHUNK_STEPS,
        seed=1,
        data="",
        D_unique=len(data.train) if family.UNIT == "token" else data.n_train,
        evaluate=64 * (16 if family.UNIT == "token" else 1),
    )
    return cell, Stream(data) if case == "stream" else data


def trained(cell: Cell, data: Any) -> dict[str, Any]:
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        train_trunk(
            [cell],
            data,
            checkpoint_path=Path(folder) / "a.npz",
            on_cell=lambda cell, outcome: found.append(outcome),
        )
    (outcome,) = found
    return {
        "state": state_of(cell),
        "status": outcome.status,
        "loss": outcome.loss,
        "train_loss": outcome.train_loss,
        "metrics": outcome.metrics,
        "curve": np.asarray(outcome.curve)[:, 0].tolist(),
    }


def state_of(cell: Cell) -> dict[str, float]:
    """Bytes of the state on one device: what lies there, and what the split of each leaf says."""
    parts = cell.devices.fsdp
    with mesh.over(cell.devices):
        leaves = jax.tree.leaves(
            Program(cell.family, cell.shape, cell.recipe).init(jax.random.key(0))
        )
    split = [spread.split_axis(leaf.shape, parts) is not None for leaf in leaves]
    return {
        "held": sum(leaf.addressable_shards[0].data.nbytes for leaf in leaves),
        "said": sum(
            leaf.nbytes / (parts if parted else 1)
            for leaf, parted in zip(leaves, split, strict=True)
        ),
    }


def main(data: int, fsdp: int, *cases: str) -> None:
    devices = Devices(data=data, fsdp=fsdp)
    for case in cases:
        cell, what = made(case)
        runs = [trained(cell, what), trained(replace(cell, devices=devices), what)]
        print(json.dumps({"case": case, "runs": runs}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
