"""Every figure of the registry: it looks as it did, is whole, hides no text, and refuses what it
cannot draw.

Images are compared with those in baseline/. After a change that is meant, make them anew and look
at them:

    pytest tests/plot/test_every_figure.py --mpl-generate-path=tests/plot/baseline
"""

from __future__ import annotations

import io
from functools import partial
from inspect import signature
from itertools import combinations
from math import sqrt
from pathlib import Path

import pytest
from batteries import figures
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images

from scaling import plot
from scaling.errors import InputError
from scaling.plot import registry, save
from scaling.stored import Stored

BASELINE = Path(__file__).parent / "baseline"
KEPT = "test_it_looks_as_it_did_{}.png"  # as pytest-mpl calls it
# Root mean square over all pixels, of 255. Another machine's arithmetic gives less than half of it;
# the last test but two shows what gives more.
TOLERANCE = 1.5
LARGEST = 22_000  # bytes of one image
PIXELS = 24_000  # of one image: its curves are half a pixel wide, enough to see that they moved
_TOUCH = 0.5  # points by which boxes of text may overlap: they are a little larger than ink

every = pytest.mark.parametrize("name", registry.FIGURES)


@every
@pytest.mark.mpl_image_compare(
    baseline_dir="baseline", tolerance=TOLERANCE, style="default", deterministic=True,
    savefig_kwargs={"pil_kwargs": {"optimize": True}},
)  # fmt: skip
def test_it_looks_as_it_did(name: str) -> Figure:
    """And its text is whole and apart, and no panel is empty."""
    figure = registry.get(name).draw(figures.source(name))
    boxes = figures.texts(figure)
    width, height = figure.get_size_inches() * 72
    cut = [
        text
        for text, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    assert not cut
    hidden = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > _TOUCH and min(a.y1, b.y1) - max(a.y0, b.y0) > _TOUCH
    ]
    assert not hidden
    assert not [axes for axes in figure.axes if axes.axison and not axes.has_data()]
    return small(figure)


def small(figure: Figure) -> Figure:
    """The figure as it is compared: its layout is settled, and is not to be found again."""
    figure.set_layout_engine("none")
    dpi = float(sqrt(PIXELS / figure.get_size_inches().prod()))
    figure.savefig = partial(figure.savefig, dpi=dpi)
    return figure


@every
def test_its_image_is_small(name: str) -> None:
    image = BASELINE / KEPT.format(name)
    assert image.is_file(), "no image: see above how it is made"
    assert image.stat().st_size <= LARGEST


def test_no_image_is_of_a_figure_that_is_gone() -> None:
    kept = {path.name for path in BASELINE.iterdir()}
    assert kept == {KEPT.format(name) for name in registry.FIGURES}


def test_a_curve_that_moves_a_little_is_seen(tmp_path: Path) -> None:
    """The comparison can fail: the frontier's forecast, two percent lower."""
    figure = registry.get("frontier").draw(figures.source("frontier"))
    line = next(line for line in figure.axes[0].lines if line.get_gid() == "forecast-loss")
    figure.draw_without_rendering()
    small(figure)
    kept = BASELINE / KEPT.format("frontier")
    for factor, alike in ((1.0, True), (0.98, False)):
        line.set_ydata([factor * float(y) for y in line.get_ydata()])
        figure.savefig(tmp_path / "now.png")
        told = compare_images(str(kept), str(tmp_path / "now.png"), tol=TOLERANCE)
        assert (told is None) == alike


@pytest.mark.slow
@every
def test_the_same_bytes_twice_in_every_format(name: str) -> None:
    figure, again = (registry.get(name).draw(figures.source(name)) for _ in range(2))
    for suffix, first in ((".svg", b"<?xml"), (".pdf", b"%PDF"), (".png", b"\x89PNG")):
        files = io.BytesIO(), io.BytesIO()
        for drawn, file in zip((figure, again), files, strict=True):
            save(drawn, file, suffix)
        assert files[0].getvalue() == files[1].getvalue()
        assert files[0].getvalue().startswith(first)
    assert len(files[0].getvalue()) > 1000


@every
def test_it_takes_axes_of_the_callers(name: str) -> None:
    ax = signature(getattr(plot, name)).parameters["ax"]
    assert ax.kind is ax.KEYWORD_ONLY
    assert ax.default is None


@every
def test_what_it_cannot_draw_is_refused(name: str, tmp_path: Path) -> None:
    """A table that has nothing of what any figure needs, and a folder with nothing in it."""
    bare = tmp_path / "bare.csv"
    bare.write_text("run,N\na,1\n")
    for given in (str(bare), str(tmp_path), "no such thing"):
        with pytest.raises(InputError):
            registry.get(name).draw(Stored(given))
