"""`scaling certify` and its page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scaling import cli
from scaling.certify import CASES, Case, Certificate, cases, report
from scaling.certify.nist import solve_all

PAGE = Path(__file__).resolve().parents[2] / "docs" / "certified.md"


def command(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, ["certify", *map(str, arguments)])
    return done.exit_code, done.stdout


def test_json_of_one_case(shared_data: Path) -> None:
    code, out = command("--data", shared_data, "--only", "gadre2024_c4", "--json")
    (found,) = json.loads(out)
    assert code == 0
    assert found["grade"] == "A"
    assert found["ours"]["E"] == pytest.approx(1.50826, abs=1e-5)
    assert found["engines"] == ["newton", "scipy"]
    assert found["published"] == {"E": "1.51", "a": "141", "b": "190", "eta": "0.121"}


def test_table_of_one_case(shared_data: Path) -> None:
    code, out = command("--data", shared_data, "--only", "llama3_approach2")
    assert code == 0
    for piece in ("llama3_approach2", "0.4632", "0.46322", "outliers"):
        assert piece in out
    assert "1 published results of 1 sources: 1 A" in out
    assert out.rstrip().endswith("every grade holds")


def test_what_no_longer_holds_ends_with_1(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (parscale,) = (case for case in CASES if case.name == "parscale2025")
    wrong = replace(parscale, grade="C")
    monkeypatch.setattr(cases, "CASES", (wrong,))
    code, out = command("--data", shared_data)
    assert code == 1
    assert "expected C" in out
    assert "no longer as certified: parscale2025" in out


def test_cases_without_their_data_are_named(tmp_path: Path) -> None:
    code, out = command("--data", tmp_path, "--only", "parscale", "--json")
    (found,) = json.loads(out)
    assert code == 0
    assert "holds neither parscale.csv" in found["refused"]
    shown = command("--data", tmp_path, "--only", "parscale")[1]
    assert "neither" in shown  # lines break where the folder's name lets them
    assert shown.rstrip().endswith("1 not judged, their data are not here")


def test_nist() -> None:
    code, out = command("--nist", "--json")
    assert code == 0
    assert len(json.loads(out)) == len(solve_all())
    code, out = command("--nist")
    assert "Bennett5" in out
    assert "higher" in out


def test_the_page_says_what_the_fits_give_today(
    certificate: Callable[[Case], Certificate],
) -> None:
    found = [certificate(case) for case in CASES]
    assert PAGE.read_text(encoding="utf-8") == report.page(found, solve_all())
