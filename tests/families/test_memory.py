"""Predicted memory of the program that trains against what XLA allocates for it: within 15 %.

Of each ladder two rungs here, all of them with `pytest -m slow`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from batteries import families as battery
from batteries.programs import held_bytes

from scaling.families import get
from scaling.families.memory import Use

WITHIN = 0.15
RUNGS = 6
BATCH = {
    "mlp": 128, "cnn": 64, "resnet": 64, "vgg": 64, "alexnet": 128, "vit": 64, "coca": 64,
    "transformer": 1024,
}  # fmt: skip
# Compiled in every test run; deeper nets take minutes to compile.
QUICK = {"mlp": (1, 5), "cnn": (0,), "transformer": (4,), "vit": (1,)}


def rung(family: str, number: int) -> Any:
    data, smallest, largest = battery.LADDERS[family]
    size = np.geomspace(smallest, largest, RUNGS)[number]
    return get(family).from_size(size, **data)


def check(family: str, shape: Any, batch: int, **recipe: Any) -> None:
    use = Use(
        remat=recipe.get("remat") == "blocks",
        microbatch=recipe.get("microbatch"),
        optimiser=recipe.get("optimiser", "adamw"),
        precision=recipe.get("precision", "float32"),
        clip=recipe.get("clip", 1.0) > 0,
    )
    held = held_bytes(family, shape, batch, **recipe)
    assert shape.memory_bytes(batch, use) == pytest.approx(held, rel=WITHIN)


@pytest.mark.parametrize(
    ("family", "number"),
    [
        pytest.param(family, n, marks=[] if n in QUICK.get(family, ()) else pytest.mark.slow)
        for family in battery.LADDERS
        for n in range(RUNGS)
    ],
)
def test_a_rung_holds_what_is_predicted(family: str, number: int) -> None:
    check(family, rung(family, number), BATCH[family])


@pytest.mark.parametrize(
    ("family", "dials", "batch"),
    [
        ("mlp", {"width": 512}, 1024),
        ("cnn", {"width": 24, "norm": "none"}, 32),
        ("resnet", {"width": 8, "depth": 8, "shortcut": "none", "norm": "none"}, 32),
        ("transformer", {"width": 64, "depth": 2, "qk_norm": True, **battery.GPT2}, 1024),
        ("transformer", {"width": 64, "depth": 2, "experts": 8, "experts_per_token": 2}, 1024),
        ("transformer", {"width": 64, "depth": 2, "context": 256, "vocab": 8192}, 1024),
    ],
)
def test_other_shapes_hold_what_is_predicted(
    family: str, dials: dict[str, Any], batch: int
) -> None:
    shape = get(family).from_dials(**{**battery.LADDERS[family][0], **dials})
    check(family, shape, batch)
