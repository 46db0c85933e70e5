"""Figures at the width of a column: no wider, panels below each other, each with its label."""

from __future__ import annotations

import pytest
from batteries import figures

from scaling.errors import InputError
from scaling.plot import registry
from scaling.plot.labels import legible
from scaling.plot.width import at_width


def test_panels_stand_below_each_other_with_a_label_each() -> None:
    wide = registry.get("residuals").draw(figures.source("residuals"))
    narrow = at_width(lambda: registry.get("residuals").draw(figures.source("residuals")), 3.5)
    assert wide.get_figwidth() == 7.1
    assert narrow.get_figwidth() == 3.5
    assert narrow.get_figheight() == pytest.approx(3 * wide.get_figheight())
    assert [bool(panel.get_ylabel()) for panel in wide.axes] == [True, False, False]
    assert all(panel.get_ylabel() == wide.axes[0].get_ylabel() for panel in narrow.axes)
    left = {round(panel.get_position().x0, 6) for panel in narrow.axes}
    assert len(left) == 1


def test_the_width_is_that_of_one_figure_only() -> None:
    draw = registry.get("cost").draw
    at_width(lambda: draw(figures.source("cost")), 2.6)
    assert draw(figures.source("cost")).get_figwidth() == 3.5
    assert at_width(lambda: draw(figures.source("cost")), None).get_figwidth() == 3.5


@pytest.mark.parametrize("inches", [0.0, 2.0, 21.0, float("nan")])
def test_a_width_that_no_figure_can_have(inches: float) -> None:
    with pytest.raises(InputError, match=r"--width .*: valid are 2.5 to 20 inches"):
        at_width(lambda: registry.get("cost").draw(figures.source("cost")), inches)


def test_names_are_dark_enough_to_read() -> None:
    assert legible("#000000") == (0.0, 0.0, 0.0)
    pale = legible("#7ad151")
    assert max(pale) < 0.6
    assert pale[1] > pale[0] > pale[2]  # of the same hue
