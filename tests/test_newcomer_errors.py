"""What a newcomer types wrong, and the one line that says what, where, and what to do next."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from scaling import cli
from scaling.sweep import calibrate

TABLES = {
    "one.csv": "N,D,loss\n1e6,1e8,3.1\n",
    "none.csv": "N,D,loss\n",
    "zero.csv": "",
    "wrong.csv": "params,tokens,val\n1,2,3\n",
    "text.csv": "N,D,loss\n1e6,1e8,abc\n",
    "empty.json": "{}",
    "bad.toml": "x = [",
    "key.toml": 'name = "x"\n[[pilots]]\nwidht = [3]\n',
    "far.toml": 'name = "x"\n[executor]\nname = "slrm"\n[[pilots]]\nwidths = [8]\ntokens = [1e5]\n',
    "mine.toml": (
        'name = "x"\n[data]\nsource = "here/*.txt"\n[[pilots]]\nwidths = [8]\ntokens = [1e5]\n'
    ),
}

# A command line, and parts of what it is told.
WRONG = [
    # what to run
    ("forcast x", "nearest: forecast; valid: ", "`scaling` alone says what each is for"),
    ("fit one.csv --lawz x", "no such option: --lawz", "`scaling fit --help` explains it"),
    ("fit", "missing argument", "usage: scaling fit [OPTIONS]"),
    ("design one.csv --target-compute 1e22", "'--pilot-budget'", "`scaling design --help`"),
    ("forecast hoffmann2022 --compute much", "'much' is not a number", "write 1e15, 12M or 1.2B"),
    # a table
    ("fit on.csv", "on.csv: no such file; nearest there: none.csv, one.csv"),
    ("fit runs.csv", "no such file; files there ending in .csv, ", "none.csv, one.csv, text.csv"),
    ("fit no/one.csv", "no such file; there is no folder no"),
    ("fit sub", "sub: a table ends in one of .csv"),
    ("fit sub.csv", "a folder, not a table; a study's is sub.csv/table.parquet"),
    ("fit s3://bucket/runs.csv", "a table is read from this machine; copy it here first"),
    ("fit zero.csv", "the file is empty; a table has a row of names"),
    ("fit none.csv", "none.csv: the table has no rows"),
    ("fit wrong.csv", "no column N; it has params, tokens, val (name it with --columns N=...)"),
    ("fit text.csv", "column loss is not a number in row 1"),
    ("fit one.csv", "too few for the 5 free parameters of law chinchilla; hold some (--fix E=1.7)"),
    ("fit one.csv --columns N", "'N' is not NAME=VALUE"),
    ("fit wrong.csv --columns N=size", "no column size; it has params, tokens, val\n"),
    ("crossing one.csv", "no column family to group by; it has N, D, loss; name one of them by"),
    ("extrapolate one.csv", "no column x (--x); it has N, D, loss: name one by --x"),
    ("rates one.csv", "no column learning_rate; it has N, D, loss (name it with --columns"),
    ("rollout one.csv", "too few for a rollout; it needs at least 3 budgets"),
    # a law, a method, a family, a device, a figure
    ("fit one.csv --law chinchila", "did you mean chinchilla? `scaling laws` lists all "),
    ("laws show hofmann2022", "did you mean hoffmann2022? `scaling laws` lists all "),
    ("fit one.csv --objective hubr", "valid: squared, huber"),
    ("fit one.csv --kind posteriour", "valid: cluster, row"),
    ("compare one.csv --laws nope", "unknown forecaster 'nope'; known: "),
    ("models show resnt", "did you mean 'resnet'?"),
    ("plot pair one.csv -o x.svg", "did you mean pairs?"),
    ("plot pairs one.csv -o x.gif", "x.gif: a figure ends in one of .svg, .pdf, .png"),
    ("forecast hoffmann2022 --dollars 1M", "--dollars: needs --device, such as --device H100-SXM"),
    ("forecast hoffmann2022 --dollars 1M --device H100SMX", "nearest: H100-SXM"),
    # a forecast
    ("forecast hofmann2022 --compute 1e21", "neither a file nor", "nearest: hoffmann2022"),
    ("forecast hoffmann2022", "give compute, tokens or params", "(--compute 1e21); none is given"),
    ("forecast fit.json --compute 1e21", "fit.json: no such file", "`scaling fit TABLE --save fit"),
    ("forecast empty.json --compute 1e21", "empty.json: not a saved fit", "`scaling fit TABLE"),
    # a grid
    ("plan gird.toml --no-calibrate", "No such file", "`scaling new gird.toml` writes one"),
    ("study key.tml", "nearest there: key.toml"),
    ("plan bad.toml --no-calibrate", "bad.toml: not valid TOML: "),
    ("run key.toml", "key.toml:3: pilots.0.widht: unknown key; did you mean 'widths'? valid: "),
    ("plan far.toml --no-calibrate", "no executor called 'slrm'; valid: ", "did you mean 'slurm'?"),
    ("plan mine.toml --no-calibrate", "mine.toml: ", "here/*.txt"),
    ("new one.csv", "not written over: give another name"),
    ("new x.toml", "there is no terminal to ask on; give --family NAME"),
    # a study
    ("status nowhere", "nowhere: no study here", "`scaling study GRID --out nowhere` makes one"),
    ("proof sub", "sub: no study here", "`scaling study GRID --out sub` makes one"),
    ("gc sub", "sub: no study here"),
    ("watch nowhere", "no such folder; a study's folder or URL is needed"),
    ("report sub", "sub: no study here", "give a study's folder, a run table or a saved fit"),
    ("report nowhere", "a study's folder, a run table or a saved fit is needed"),
]  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newcomer")
    for name, text in TABLES.items():
        (folder / name).write_text(text)
    (folder / "sub").mkdir()
    (folder / "sub.csv").mkdir()
    return folder


def told(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int = 2
) -> str:
    monkeypatch.setattr(sys, "argv", ["scaling", *line.split()])
    with pytest.raises(SystemExit) as end:
        cli.main()
    shown = capsys.readouterr()
    assert end.value.code == code, shown
    assert shown.err.startswith("scaling: ")
    assert shown.err.count("\n") == 1
    return shown.err


@pytest.mark.parametrize(("line", "parts"), [(line, parts) for line, *parts in WRONG])
def test_one_line_says_what_to_do(
    line: str,
    parts: list[str],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(here)
    error = told(line, monkeypatch, capsys)
    for part in parts:
        assert part in error
    assert len(error) < 600, "a line that is read"


def test_without_jax_training_says_what_to_install(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setattr(calibrate, "find_spec", lambda _: None)
    line = "new x.toml --family mlp --data digits --minutes 1"
    assert "pip install 'scaling-laws[train]'" in told(line, monkeypatch, capsys)


def test_a_port_in_use_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    (here / "study").mkdir()
    (here / "study" / "grid.toml").write_text(TABLES["key.toml"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = told(f"report study --live --port {port}", monkeypatch, capsys)
    assert str(port) in error
    assert "--port" in error
