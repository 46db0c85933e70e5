"""Grids of image models: several families, depths, training-set sizes and epochs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scaling.data import Images
from scaling.errors import InputError
from scaling.families import Unit
from scaling.grid import CHUNK_STEPS, Cell, Data, open_data, parse_grid, plan, unit_of

TEXT = """\
name = "tiny"

[data]
source = "digits"

[train]
batch_images = 16

[[pilots]]
model = { family = "mlp", depth = 1 }
widths = [8, 16]
epochs = [2, 4]
unique = [256, 512]

[[pilots]]
model = { family = "resnet" }
depths = [8, 14]
images = [1024]

[[targets]]
model = { family = "cnn" }
sizes = [3e4]
images = [4096]
"""


@pytest.fixture(scope="module")
def images() -> Images:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (700, 8, 8, 1)).astype(np.uint8)
    labels = rng.integers(0, 10, 700).astype(np.int32)
    return Images(
        pixels[:600], labels[:600], pixels[600:], labels[600:], tuple("0123456789"), (0.5,), (0.3,),
        "noise", "noise-1", {},
    )  # fmt: skip


@pytest.fixture(scope="module")
def cells(images: Images) -> list[Cell]:
    return plan(parse_grid(TEXT), images)


def test_each_block_has_its_family_and_its_axes(cells: list[Cell]) -> None:
    found = [(c.family, c.shape.to_dict()["depth"], c.D, c.D_unique) for c in cells]
    sets = [(512, 256), (1024, 256), (1024, 512), (2048, 512)]
    assert found == [
        *[("mlp", 1, *pair) for pair in (*sets, *sets)],  # of two widths
        ("resnet", 8, 1024, 600),
        ("resnet", 14, 1024, 600),
        ("cnn", cells[-1].shape.to_dict()["depth"], 4096, 600),
    ]
    assert cells[-1].role == "target"
    assert pytest.approx(3e4, rel=0.2) == cells[-1].shape.N
    assert all(c.steps % CHUNK_STEPS == 0 and c.batch == 16 for c in cells)


def test_facts_say_what_is_counted(cells: list[Cell]) -> None:
    facts = cells[0].facts()
    assert facts["D_kind"] == "images"
    assert facts["L_kind"] == "nats_per_image"
    assert facts["N"] == facts["N_total"] == facts["N_active"]
    assert facts["C"] == facts["D"] * cells[0].shape.training_flops()


def test_runs_of_one_training_set_share_a_trunk(cells: list[Cell]) -> None:
    mlps = [c for c in cells if c.family == "mlp"]
    assert len({c.trunk for c in mlps}) == 4  # two widths, two training sets
    assert len({c.id for c in cells}) == len(cells)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mlp", depth', '"mlpp", depth', r"g\.toml:\d+: unknown model family 'mlpp'"),
        ("depth = 1", "dept = 1", r"pilots\.model\.dept: mlp: unknown dial 'dept'; did you mean"),
        ('"resnet" }', '"resnet", depth = 8 }', r"pilots\.model\.depth: resnet: unknown dial"),
        ('"cnn"', '"transformer"', "mlp counts images and transformer counts tokens"),
        ("depths = [8, 14]", "depths = [8]\nwidths = [4]", "give either sizes or widths"),
        ("images = [1024]", "images = [1024]\nepochs = [2]", "one of tokens, images and epochs"),
        ("images = [1024]", "", "one of tokens, images and epochs"),
    ],
)
def test_a_wrong_block_is_one_error(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=message):
        parse_grid(TEXT.replace(old, new), "g.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("images = [1024]", "tokens = [1024]", "these models count images; give images or epochs"),
        ("[256, 512]", "[256, 601]", r"unique = 601: data 'digits' has 600 training images"),
        ("[256, 512]", "[8]", "a batch needs 16 different ones"),
        ("[1024]", "[511]", "the smallest budget is 512"),
        ("[8, 14]", "[9]", "nearest 8 and 14"),
        ("[3e4]", "[3]", "no shape near N = 3"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    old: str, new: str, message: str, images: Images
) -> None:
    with pytest.raises(InputError, match=message):
        plan(parse_grid(TEXT.replace(old, new)), images)


def test_families_of_one_study_count_the_same() -> None:
    assert unit_of(["mlp", "vit"]) == "image"
    assert unit_of(["coca"]) == "pair"
    with pytest.raises(InputError, match="make a grid of each"):
        unit_of(["vit", "coca"])


@pytest.mark.parametrize(
    ("unit", "given", "valid"),
    [
        ("image", {"captions": ["a {}."]}, "image, eval_images"),
        ("image", {"tokenizer": "bytes"}, "image, eval_images"),
        ("token", {"image": 28}, "tokenizer, eval_tokens"),
        ("pair", {"unique_tokens": 100}, "captions"),
    ],
)
def test_a_key_that_says_nothing_to_the_models_is_refused(
    unit: Unit, given: dict[str, Any], valid: str
) -> None:
    (key,) = given
    source = "kjv" if unit == "token" else "digits"
    with pytest.raises(InputError, match=rf"data\.{key} says nothing to models.*{valid}"):
        open_data(Data(source=source, **given), unit)
