"""Dials as people slip on them: one clear error each, and one identity for one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scaling.errors import InputError
from scaling.families import get, names

DATA = {"image": 28, "channels": 1, "classes": 10, "vocab": 96, "context": 32}


def data_of(family: str) -> dict[str, int]:
    return {key: DATA[key] for key in get(family).DATA}


@pytest.mark.parametrize(
    ("family", "dial"),
    [
        ("coca", "caption_weight"),
        ("coca", "contrastive_weight"),
        ("transformer", "router_z_weight"),
        ("transformer", "balance_weight"),
        ("vgg", "dropout"),
        ("alexnet", "dropout"),
    ],
)
def test_a_whole_number_is_the_float_that_it_equals(family: str, dial: str) -> None:
    fixed = {"width": 32, **data_of(family)}
    value = 0 if dial == "dropout" else 3
    whole = get(family).from_dials(**fixed, **{dial: value}).to_dict()
    same = get(family).from_dials(**fixed, **{dial: float(value)}).to_dict()
    assert repr(whole) == repr(same)


@pytest.mark.parametrize("family", ["alexnet", "coca", "transformer", "vit"])
def test_a_size_beside_the_width_that_it_sets_is_an_error(family: str) -> None:
    with pytest.raises(InputError, match="a size and a width = 64; give one of them"):
        get(family).from_size(1e5, width=64, **data_of(family))


def refusal(make: Callable[[], Any]) -> str | None:
    """What is said where it is refused; some dials do allow values of an unusual kind."""
    try:
        make()
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("family", names())
@pytest.mark.parametrize("value", [0, -1, 2.5, "x", None, [], {}, float("nan"), True])
def test_every_dial_of_a_wrong_kind_is_an_input_error(family: str, value: Any) -> None:
    module, data = get(family), data_of(family)
    # Values that some dials do allow: a share of 0, a weight of 2.5, a switch.
    allowed: list[str] = []
    for dial in (*module.DIALS, *module.DATA):
        for make in (
            lambda d: module.from_dials(**{**data, "width": 64, **d}),
            lambda d: module.from_size(1e5, **{**data, **d}),
        ):
            told = refusal(lambda make=make, dial=dial: make({dial: value}))
            if told is None:
                allowed.append(dial)
            else:
                assert family in told
    assert "width" not in allowed
    assert not set(allowed) & set(module.DATA)


@pytest.mark.parametrize(
    ("family", "dial"), [("coca", "depth"), ("mlp", "depth"), ("cnn", "image")]
)
def test_an_absurd_dial_is_refused_at_once(family: str, dial: str) -> None:
    with pytest.raises(InputError, match=rf"{dial} = 10,000,000, must be at most 10,000"):
        get(family).from_dials(**{**data_of(family), "width": 8, dial: 10_000_000})
