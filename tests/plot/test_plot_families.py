"""The figure of model families side by side."""

from __future__ import annotations

import io

import pytest
from batteries.vision import TRUTHS, vision_table

from scaling.errors import InputError
from scaling.forecast.decisions.crossing import SideBySide, side_by_side
from scaling.plot import families, save


@pytest.fixture(scope="module")
def views() -> list[SideBySide]:
    two = {name: TRUTHS[name] for name in ("cnn", "resnet")}
    return side_by_side("chinchilla", vision_table(two), draws=30)


def svg(views: list[SideBySide]) -> str:
    buffer = io.BytesIO()
    save(families(views), buffer, ".svg")
    return buffer.getvalue().decode()


def test_both_rows_show_every_family_and_the_crossing(views: list[SideBySide]) -> None:
    drawn = svg(views)
    assert drawn == svg(views)
    for name in ("cnn", "resnet"):
        for axis in "NDC":
            assert drawn.count(f'id="runs-{axis}-{name}"') == 2
        assert drawn.count(f'id="fit-{name}_frontier"') == 2
        assert drawn.count(f'id="band-{name}_frontier"') == 2
    assert drawn.count('id="crossing-cnn-resnet"') == 2
    for text in ("Held-out loss (nats per image)", "Top-1 error", "Training images"):
        assert text in drawn


def test_the_ring_stands_where_the_frontiers_cross(views: list[SideBySide]) -> None:
    panel = families(views[:1]).axes[2]
    (ring,) = [line for line in panel.get_lines() if line.get_gid() == "crossing-cnn-resnet"]
    (item,) = views[0].crossings
    assert ring.get_xdata()[0] == item.C
    assert ring.get_ydata()[0] == pytest.approx(item.sides["cnn"].loss.point, rel=1e-6)


def test_one_view_is_one_row_and_none_is_an_error(views: list[SideBySide]) -> None:
    assert len(families(views[:1]).axes) == 3
    with pytest.raises(InputError, match="no families"):
        families([])
