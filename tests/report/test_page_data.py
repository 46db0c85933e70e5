"""What Python hands the page: markers placed and matched to runs, attributes, colours."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scaling.plot import style
from scaling.plot.marks import mark
from scaling.plot.style import ramp
from scaling.report import dark, svg
from scaling.report.embed import embed, policy, script
from scaling.report.figures import inline
from scaling.report.linked import Linked
from scaling.report.points import points, spoken

OWN = ("runs.js", "figures.js", "cells.js", "controls.js")
ROWS = pd.DataFrame(
    {"run": ["a", "b", "c"], "role": ["pilot", "pilot", "target"], "seed": [0, 1, 0],
     "N": [1e4, 2e4, 4e4], "N_total": [2e4, 3e4, 5e4], "D": [1e6, 1e6, 2e6],
     "loss": [2.0, 1.9, np.nan]}
)  # fmt: skip


def drawn(**columns: Any) -> tuple[dict[str, Any], str]:
    """The points of a figure with one series at N and loss, and its drawing."""
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", xlabel=r"All parameters $N_\mathrm{total}$", ylabel="Loss")
    (dots,) = axes.plot([1e4, 2e4], [2.0, 1.9], "o", label="_runs")
    mark(dots, "dots", **columns)
    text = inline(figure, "f", "Chart.")
    return json.loads(re.sub(r"<.*?>", "", embed("x", points(figure, "f", Linked(ROWS))))), text


def test_markers_are_placed_where_the_drawing_has_them() -> None:
    told, text = drawn(N=[1e4, 2e4], D=[1e6, 1e6], loss=[2.0, 1.9])
    (series,) = told["series"]
    uses = re.findall(
        r'<use href="[^"]*" x="([\d.]+)" y="([\d.]+)"', text[text.index('id="f-dots"') :]
    )
    assert [(float(x), float(y)) for x, y in uses[:2]] == [
        (pytest.approx(x, abs=0.06), pytest.approx(y, abs=0.06))
        for x, y in zip(series["x"], series["y"], strict=True)
    ]
    assert series["id"] == "f-dots"
    assert told["axes"] == [{"x": "All parameters N_total", "y": "Loss"}]


def test_markers_are_matched_to_runs_by_name_or_by_values() -> None:
    by_values, _ = drawn(N=[1e4, 2e4], D=[1e6, 1e6], loss=[2.0, 1.9])
    by_total, _ = drawn(N=[2e4, 3e4], D=[1e6, 1e6], loss=[2.0, 1.9])
    by_name, _ = drawn(run=["c", "b"], percent=[0.5, -0.25])
    unknown, _ = drawn(N=[1e4, 2e4], D=[1e6, 1e6], loss=[2.0, 1.8])
    assert by_values["series"][0]["run"] == by_total["series"][0]["run"] == [0, 1]
    assert by_name["series"][0]["run"] == [2, 1]
    assert by_name["series"][0]["columns"] == {"percent": [0.5, -0.25]}
    assert "at" not in by_values["series"][0]
    assert unknown["series"][0]["run"] == [0, -1]
    assert unknown["series"][0]["at"] == [[1e4, 2e4], [2.0, 1.9]]
    assert unknown["series"][0]["size"] == [0, 1]


def test_a_line_of_one_run_is_whole_and_long_lines_are_thinned() -> None:
    figure = Figure()
    axes = figure.subplots()
    (whole,) = axes.plot(range(500), range(500))
    mark(whole, "trunk-b", run="b")
    (law,) = axes.plot(range(500), range(500))
    mark(law, "fit-law", q05=np.arange(500) - 1, q95=np.arange(500) + 1)
    told = points(figure, "f", Linked(ROWS))
    assert told["whole"] == {"f-trunk-b": 1}
    (series,) = told["series"]
    assert series["line"]
    assert 100 < len(series["x"]) <= 160
    assert series["columns"]["q95"][1] - series["columns"]["q05"][1] == 2


def test_groups_are_those_that_tell_runs_apart() -> None:
    told = Linked(ROWS, size="N_total").told()
    assert [group["name"] for group in told["groups"]] == ["role", "seed", "N_total"]
    assert [v["name"] for v in told["groups"][2]["values"]] == ["20k", "30k", "50k"]
    assert told["groups"][0]["values"][1]["runs"].tolist() == [2]
    # of more values than can have a switch each there is none
    many = pd.DataFrame({"run": range(40), "seed": range(40)})
    assert Linked(many).told()["groups"] == []
    assert Linked(pd.DataFrame()).told()["count"] == 0


def test_styles_become_attributes_and_say_the_same() -> None:
    told = svg.attributes(
        '<path style="fill: none; stroke: #0b4f8a; stroke-width: 1.2345678"/>'
        "<text style=\"font-size: 7px; font-family: 'DejaVu Sans', 'Verdana', 'Helvetica', "
        "'Arial', sans-serif; text-anchor: middle\">a</text>"
        "<text style=\"font-family: 'cmr10'; text-anchor: start\">b</text>"
    )
    assert told == (
        '<path fill="none" stroke="#0b4f8a" stroke-width="1.23"/>'
        '<text font-size="7px" text-anchor="middle">a</text><text font-family="cmr10">b</text>'
    )
    assert svg.colours(told) == {"#0b4f8a"}


def test_axis_labels_are_read_without_their_marks() -> None:
    assert spoken(r"Training compute $C_\mathrm{6ND} = 6ND$ (FLOPs)") == (
        "Training compute C_6ND = 6ND (FLOPs)"
    )


def test_every_colour_of_the_house_can_be_read_in_the_dark() -> None:
    shades = [f"#{''.join(f'{round(255 * part):02x}' for part in shade)}" for shade in ramp(20)]
    house = [style.INK, style.MUTED, style.FIT, style.TRUTH, *style.GROUPS, *shades]
    told = {colour: dark.contrast(dark.twin(colour), dark.GROUND) for colour in house}
    assert min(told.values()) >= 4.5, told
    assert dark.contrast("#000000", "#ffffff") == pytest.approx(21)
    # an order of shades stays one, turned round
    light = [dark.contrast(dark.twin(shade), "#000000") for shade in shades]
    assert light == sorted(light, reverse=True)
    assert str(dark.rules(["#1a1a1a"])).startswith('[fill="#1a1a1a"]{fill:#')


def test_data_cannot_end_their_element() -> None:
    told = embed("x", {"</script>": [np.float64(1.5), np.nan, np.int64(3), "<!--\u2028&"]})
    assert told == (
        '<script type="application/json" id="x">{"\\u003c/script\\u003e":[1.5,null,3,'
        '"\\u003c!--\\u2028\\u0026"]}</script>'
    )


def test_the_policy_names_every_text_by_its_hash() -> None:
    # the digest of `alert(1)` by `openssl dgst -sha256 -binary | base64`
    assert "script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in policy(
        [], ["alert(1)"]
    )
    assert policy([], [], connect_src="'self'").endswith("connect-src 'self'")
    assert "default-src 'none'" in policy([], [])


def test_scripts_lose_their_comments_and_are_small() -> None:
    text = script()
    assert text.startswith('"use strict";\n')
    assert not re.search(r"^\s*(//|/\*\*)", text, re.M)
    assert "</script" not in text.lower()
    assert len(script(OWN)) <= 17_500
