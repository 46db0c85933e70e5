"""`scaling import` as people type it: what it shows and asks, its account, and bad input."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from scaling.cli import app
from scaling.commands import imports
from scaling.errors import InputError

HEADER = "params,tokens,val_loss\n"
ROWS = "1e6,1e9,3.5\n2e6,1e9,3.3\n"


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, words)])


def grid(path: Path) -> Path:
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e6, 1e9, 5), np.geomspace(1e8, 1e10, 5)))
    loss = 1.7 + 400 / N**0.34 + 410 / D**0.28
    pd.DataFrame({"params": N, "tokens": D, "val_loss": loss}).to_csv(path, index=False)
    return path


def test_alone_it_lists_the_importers() -> None:
    told = call().output
    assert "scaling import runs.csv -o runs.parquet" in told
    assert json.loads(call("--json").output)["table"]["example"] == "runs.csv"


def test_guesses_are_confirmed_by_the_command_that_it_gives(tmp_path: Path) -> None:
    source, out = grid(tmp_path / "runs.csv"), tmp_path / "out.parquet"
    refused = call(source, "-o", out)
    assert isinstance(refused.exception, InputError)
    assert not out.exists()
    _, _, command = str(refused.exception).partition("or with: scaling import ")
    assert call(*shlex.split(command)).exit_code == 0
    first = out.read_bytes()
    done = call(source, "-o", out, "--yes")
    assert out.read_bytes() == first
    assert [line.split()[:2] for line in done.output.splitlines()[2:5]] == [
        ["loss", "val_loss"], ["N", "params"], ["D", "tokens"]]  # fmt: skip
    assert done.output.rstrip().endswith(f"next: scaling fit {out}")
    fitted = CliRunner().invoke(app, ["fit", str(out), "--draws", "0"])
    assert fitted.exit_code == 0


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_it_asks(
    tmp_path: Path, answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(imports, "sys", SimpleNamespace(stdin=terminal, stdout=terminal))
    asked = []
    monkeypatch.setattr("typer.confirm", lambda text: asked.append(text) or answer)
    done = call(grid(tmp_path / "runs.csv"), "-o", tmp_path / "out.csv")
    assert asked == ["Is this right?"]
    assert (tmp_path / "out.csv").exists() == answer
    assert answer or str(done.exception).startswith("nothing was written; say which is which")


def test_the_account_says_all_that_it_takes_to_do_it_again(tmp_path: Path) -> None:
    source, out = grid(tmp_path / "runs.csv"), tmp_path / "out.csv"
    told = json.loads(call(source, "-o", out, "--yes", "--json").output)
    stored = json.loads((tmp_path / "out.import.json").read_text())
    assert told["sources"] == stored["sources"]
    assert stored["sources"][0]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (stored["runs"], stored["rows"], stored["statuses"]) == (25, 25, {"finished": 25})
    text = (tmp_path / "out.import.txt").read_text()
    assert stored["command"] in text
    assert call(*shlex.split(stored["command"])[2:]).exit_code == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the table has no rows"),
        (HEADER, "the table has no rows"),
        ("parms,tokns,val_los\n" + ROWS, "nearest: val_los"),
        (HEADER + ROWS + "3e6;1e9;3.1\n", "row 3 is divided by ';', the header by ','"),
        (HEADER + ROWS + "3e6,1e9,3.1,7\n", "line 4 has 4 fields, the header 3"),
        ("1e6,1e9,3.5\n" + ROWS, "its first line holds numbers"),
        ("params,params,val_loss\n" + ROWS, "2 columns are called 'params'"),
        ("a\x00b", "not a text"),
        ("step,split,loss\n1,train,3\n1,val,4\n2,train,2\n2,val,3\n", "(train, val); keep one: "),
    ],
)
def test_tables_that_cannot_be_read_rightly(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "runs.csv").write_text(text)
    found = call(tmp_path / "runs.csv", "-o", tmp_path / "out.csv", "--yes")
    assert isinstance(found.exception, InputError)
    assert told in str(found.exception)
    assert str(tmp_path / "runs.csv") in str(found.exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--map", "N=parms"],
            "no field 'parms'; found: params, tokens, val_loss; nearest: params",
        ),
        (["--map", "M=params"], "no column of ours; "),
        (["--map", "N"], "valid is OURS=THEIRS"),
        (["--map", "N=open('x')"], "not allowed"),
        (["--loss", "worst"], "valid are final, best"),
        (["--points", "0"], "a whole number from 1 on, or all"),
        (["--from", "tables"], "nearest: table"),
        (["--kind", "Q=total"], "valid are N, D, C and L"),
        (["--sheet", "a"], "sheets are of .xlsx files"),
        (["--curves", "c.csv"], "written as .parquet"),
        (["-o", "out.txt"], "a table ends in one of"),
    ],
)
def test_wrong_words_are_told(tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "runs.csv").write_text(HEADER + ROWS)
    found = call(tmp_path / "runs.csv", "-o", tmp_path / "out.csv", "--yes", *words)
    assert isinstance(found.exception, InputError)
    assert told in str(found.exception)
    assert not (tmp_path / "out.csv").exists()


def test_sources_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "notes.doc").write_text("x")
    for source, told in (("nowhere.csv", "no such file"), ("*.none", "no file matches"),
                         ("notes.doc", "no importer recognises it")):  # fmt: skip
        found = call(tmp_path / source, "-o", tmp_path / "out.csv", "--yes")
        assert told in str(found.exception)


ODD = {
    "comma": HEADER + '"1,000,000",1B,3.5\n"2,000,000",1B,3.3\n',
    "comments": "# made by hand\n\ufeff"[:15]
    + "\n"
    + HEADER
    + "# half\n\n1e6,1e9,3.5\n2e6,1e9,3.3\n",
    "mark": "\ufeff" + HEADER + ROWS,
    "tabs": (HEADER + ROWS).replace(",", "\t"),
    "decimal commas": "params;tokens;val_loss\n1000000;1e9;3,5\n2000000;1e9;3,3\n",
    "spaces": (HEADER + ROWS).replace(",", "   "),
    "crlf": (HEADER + ROWS).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("kind", ODD)
def test_tables_as_people_write_them(tmp_path: Path, kind: str) -> None:
    (tmp_path / "runs.csv").write_text(ODD[kind], encoding="utf-8", newline="")
    found = call(tmp_path / "runs.csv", "-o", tmp_path / "out.csv", "--yes")
    assert found.exit_code == 0, found.exception
    df = pd.read_csv(tmp_path / "out.csv")
    assert df[["N", "D", "loss"]].to_numpy().tolist() == [[1e6, 1e9, 3.5], [2e6, 1e9, 3.3]]


def test_every_format_gives_the_same_table(tmp_path: Path) -> None:
    df = pd.read_csv(grid(tmp_path / "runs.csv"))
    df.to_parquet(tmp_path / "runs.parquet")
    df.to_json(tmp_path / "runs.jsonl", orient="records", lines=True, double_precision=15)
    df.to_excel(tmp_path / "runs.xlsx", index=False)
    df.to_csv(tmp_path / "runs.csv.gz", index=False)
    made = []
    for name in ("runs.csv", "runs.parquet", "runs.jsonl", "runs.xlsx", "runs.csv.gz"):
        assert call(tmp_path / name, "-o", tmp_path / "out.csv", "--yes").exit_code == 0, name
        made.append(pd.read_csv(tmp_path / "out.csv").drop(columns="origin"))
    for other in made[1:]:
        pd.testing.assert_frame_equal(made[0], other)


def test_workbooks(tmp_path: Path) -> None:
    path, out = tmp_path / "runs.xlsx", tmp_path / "out.csv"
    df = pd.DataFrame({"params": [1e6, 2e6], "tokens": 1e9, "val_loss": [3.5, 3.3]})
    with pd.ExcelWriter(path) as book:
        df.to_excel(book, sheet_name="small", index=False, startrow=2)
        df.to_excel(book, sheet_name="large", index=False)
        book.sheets["small"]["A1"] = "Our runs"
        book.sheets["small"].merge_cells("A1:C1")
        book.sheets["large"].merge_cells("B2:B3")
    assert "2 sheets hold rows (small, large)" in str(call(path, "-o", out, "-y").exception)
    assert "no sheet 'x'" in str(call(path, "-o", out, "-y", "--sheet", "x").exception)
    merged = call(path, "-o", out, "-y", "--sheet", "large")
    assert "merged cells (B2:B3)" in str(merged.exception)
    assert call(path, "-o", out, "-y", "--sheet", "small").exit_code == 0
    assert len(pd.read_csv(out)) == 2
    path.write_bytes(path.read_bytes()[:2000])
    assert "no whole Excel file" in str(call(path, "-o", out, "-y").exception)


def test_a_missing_reader_of_excel_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (tmp_path / "runs.xlsx").write_bytes(b"PK")
    found = call(tmp_path / "runs.xlsx", "-o", tmp_path / "out.csv", "-y")
    assert "pip install 'scaling-laws[excel]'" in str(found.exception)


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    source = grid(tmp_path / "runs.csv")
    before = source.read_bytes()
    refused = call(source, "-o", source, "--yes").exception
    assert isinstance(refused, InputError)
    assert "is what is read" in str(refused)
    assert source.read_bytes() == before
