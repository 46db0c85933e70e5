"""`scaling landscape` through the real command line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from scaling import cli


def scaling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["scaling", "landscape", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_both_kinds_as_people_read_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = scaling(capsys, monkeypatch, "--since", "2015", "--estimates")
    assert (code, err) == (0, "")
    for piece in (
        "image models:",
        "correlations across the field, not a scaling law of one recipe",
        "of records against time: halves in",
        "language models:",
        "GPT-3 175B",
        "as good at C",
        "estimated, not published",
        "o1-preview",
        "N: the law counts parameters in all",
        "left out, tokens not published: ",
        "than any run behind the law",
    ):
        assert piece in out, piece
    assert "\x1b" not in out
    assert all(len(line) <= 140 for line in out.splitlines() if "\u2500" in line)


def test_json_and_csv_give_the_same_facts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("language", "--law", "hoffmann2022", "--sort", "saved")
    code, out, _ = scaling(capsys, monkeypatch, *asked, "--json")
    assert code == 0
    told = json.loads(out)["language"]
    assert (told["law"], told["n_column"], told["c_kind"]) == ("hoffmann2022", "N_total", "6ND")
    assert [one["year"] for one in told["by_year"]] == [str(y) for y in range(2020, 2026)]
    assert sum(one["models"] for one in told["by_year"]) == len(told["models"])
    code, out, _ = scaling(capsys, monkeypatch, *asked, "--csv")
    assert code == 0
    table = pd.read_csv(io.StringIO(out)).set_index("name")
    for one in told["models"]:
        assert table.loc[one["name"], "over"] == pytest.approx(one["over"]["point"])
        assert table.loc[one["name"], "verdict"] == one["verdict"]
    assert (table["source"].str.len() > 0).all()
    saved = [one["saved"] for one in told["models"]]
    assert saved == sorted(saved, reverse=True)


def test_image_in_json_has_trends_with_intervals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = scaling(capsys, monkeypatch, "image", "--json")
    assert code == 0
    told = json.loads(out)["image"]
    by_of = {one["of"]: one for one in told["trends"]}
    assert set(by_of) == {"size", "compute", "year", "record"}
    for one in by_of.values():
        assert one["slope"]["q05"] < one["slope"]["point"] < one["slope"]["q95"] < 0
    assert by_of["record"]["halving_years"]["point"] < by_of["year"]["halving_years"]["point"]


@pytest.mark.parametrize("kind", ["image", "language"])
def test_figures(
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "a.svg"
    code, _, err = scaling(capsys, monkeypatch, kind, "--estimates", "-o", target)
    assert (code, err) == (0, "")
    drawn = target.read_text()
    for piece in {
        "image": ('id="trend-record"', 'id="band-size"', "AlexNet", "ImageNet top-1 error (%)"),
        "language": ('id="frontier"', 'id="models-sizes-estimated_by_others"', "GPT-3 175B"),
    }[kind]:
        assert piece in drawn, piece


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["imag"], "did you mean image"),
        (["language", "--law", "besiroglu2025"], "nearest: besiroglu2024"),
        (["language", "--law", "none.json"], "no such file"),
        (["image", "--law", "hoffmann2022"], "only language models are set against a law"),
        (["language", "--since", "yesterday"], "valid is a year or YYYY-MM"),
        (["--csv"], "give image or language"),
        (["image", "--csv", "--json"], "choose one"),
        (["image", "-o", "x.gif"], "a figure ends in one of"),
        (["language", "--sort", "err"], "sorted by"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, out, err = scaling(capsys, monkeypatch, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
