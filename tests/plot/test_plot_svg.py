"""SVG in fewer bytes is the same drawing."""

from __future__ import annotations

import io
import re

from matplotlib.figure import Figure

from scaling.plot import save
from scaling.plot.svg import compact


def drawn() -> str:
    figure = Figure()
    axes = figure.subplots()
    (dots,) = axes.plot(range(50), [(7 * i) % 13 / 3 for i in range(50)], "o", color="#0072b2")
    dots.set_gid("dots")
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue().decode()


def places(svg: str) -> list[tuple[float, float]]:
    found = re.findall(r'<use [^>]*x="([-.\d]+)" y="([-.\d]+)"', svg)
    return [(float(x), float(y)) for x, y in found]


def test_markers_keep_their_place_order_and_look() -> None:
    whole = drawn()
    small = compact(whole)
    assert len(small) < 0.9 * len(whole)
    assert len(places(small)) == len(places(whole)) >= 50
    for (x, y), (x0, y0) in zip(places(small), places(whole), strict=True):
        assert abs(x - x0) < 0.01
        assert abs(y - y0) < 0.01
    group = small.split('id="dots"')[1].split("</g>")[0]
    assert group.count("<use ") == 50
    assert re.search(r'<g [^>]*style="fill: #0072b2', group)
    assert group.count("fill: #0072b2") == 1


def test_markers_of_several_styles_keep_each_its_own() -> None:
    mixed = '<g>\n<use x="1" y="2" style="fill: a"/>\n<use x="3" y="4" style="fill: b"/>\n</g>'
    assert compact(mixed) == mixed
    bare = '<g>\n<use x="1" y="2" style="fill: a"/>\n<use x="3" y="4"/>\n</g>'
    assert compact(bare) == bare


def test_a_figure_is_saved_compact() -> None:
    figure = Figure()
    figure.subplots().plot(range(50), "o")
    out = io.BytesIO()
    save(figure, out, ".svg")
    assert out.getvalue().decode() == compact(out.getvalue().decode())
