"""`scaling fit` and `scaling forecast` through the real command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from batteries import laws as battery
from typer import BadParameter

from scaling import cli, laws, terminal
from scaling.table import write_table

LAW = laws.get("chinchilla")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "table.csv"
    df = battery.table(LAW, battery.truth(LAW), noise=0.01)
    write_table(df.assign(N_total=df["N"] * 1.5, status="finished"), path)
    return path


def scaling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["scaling", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_fit_prints_what_people_quote(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "D > 3e6 and N < 2e9"
    code, out, err = scaling(capsys, monkeypatch, "fit", table, "--where", where, "--draws", 50)
    assert (code, err) == (0, "")
    for piece in (
        "chinchilla: L = E + A/N^alpha + B/D^beta",
        "35 rows, 35 clusters by row",
        "90 % interval",
        "a: N_opt ~ C^a",
        "3 (chinchilla)",
        "1 (7 curves",
        "Approach 2 needs at least 3 isoFLOP budgets",
        "residuals: rms",
        "largest run: C = 1.8e+20 FLOPs (6ND)",
        f"7 rows left out: not {where}",
        "status: converged",
    ):
        assert piece in out, piece
    assert "\x1b" not in out  # no colour through a pipe


def test_fit_json_and_a_saved_fit_that_forecasts(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "fit.json"
    options = ["--n", "N_total", "--draws", 40, "--seed", 3, "--save", saved, "--json"]
    code, out, _ = scaling(capsys, monkeypatch, "fit", table, "--law", "chinchilla", *options)
    data = json.loads(out)
    assert code == 0
    for key in ("params", "objective", "status", "intervals", "exponents", "n_rows", "engine"):
        assert key in data, key
    assert isinstance(data["objective"], float)
    assert set(data["exponents"]) == {"a", "b"}
    assert data["n_column"] == "N_total"
    assert "draws" not in data

    asked = ["--compute", "1e18", "--compute", "2E", "--json"]
    code, out, _ = scaling(capsys, monkeypatch, "forecast", saved, *asked)
    told = json.loads(out)
    assert code == 0
    assert [row["C"] for row in told["budgets"]] == [1e18, 2e18]
    row = told["budgets"][0]
    assert row["N_opt_q05"] < row["N_opt"] < row["N_opt_q95"]
    assert told["n_column"] == "N_total"
    assert told["params"] == data["params"]


def test_forecast_from_a_table_by_speed_and_hours(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = ["--flops-per-second", "100P", "--hours", "10", "--draws", 30]
    code, out, err = scaling(capsys, monkeypatch, "forecast", table, *speed)
    assert (code, err) == (0, "")
    for piece in ("forecast for compute 3.6e+21", "20 x the largest run", "flat", "90 %"):
        assert piece in out, piece


def test_columns_fix_and_squared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    df = battery.table(LAW, battery.truth(LAW), noise=0.01)
    path = tmp_path / "t.parquet"
    write_table(df.rename(columns={"N": "size", "D": "seen", "loss": "val"}), path)
    mapped = ["--columns", "N=size,D=seen,L=val", "--fix", "E=1.6", "--objective", "squared"]
    code, out, _ = scaling(
        capsys, monkeypatch, "fit", path, *mapped, "--on", "loss", "--draws", 0, "--json"
    )
    assert code == 0
    assert json.loads(out)["params"]["E"] == 1.6
    penalty = json.loads(out)["penalty"]
    assert (penalty["name"], penalty["on"]) == ("squared", "loss")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "gone.csv"], "gone.csv: no such file"),
        (["fit", "TABLE", "--law", "chinchila"], "did you mean chinchilla?"),
        (["fit", "TABLE", "--where", "M > 1"], "no column M; it has N, D, loss"),
        (["fit", "TABLE", "--columns", "N"], "is not NAME=VALUE"),
        (["fit", "TABLE", "--fix", "E"], "is not NAME=VALUE"),
        (["fit", "TABLE", "--objective", "magic"], "valid: squared, huber"),
        (["fit", "TABLE", "--save", "/nowhere/at/all/fit.json"], "no such folder"),
        (["forecast", "TABLE", "--draws", "0"], "none is given"),
        (["forecast", "gone.json", "--compute", "1e20"], "gone.json: no such file"),
        (["forecast", "TABLE", "--hours", "1"], "belong together"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    table: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = [str(table) if word == "TABLE" else word for word in words]
    code, out, err = scaling(capsys, monkeypatch, *words)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.startswith("scaling: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["fit"],
        ["nonsense"],
        ["fit", "x.csv", "--draws", "many"],
        ["forecast", "x.csv", "--compute", "1Q"],
    ],
)
def test_usage_errors_exit_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = scaling(capsys, monkeypatch, *words)
    assert code == 2
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e15", 1e15), ("12M", 12e6), ("1.2B", 1.2e9), ("1,000", 1e3), ("3k", 3e3), ("1_000", 1e3)],
)
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    assert terminal.number(text) == value


@pytest.mark.parametrize("text", ["", "M", "1Q", "x"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(BadParameter):
        terminal.number(text)


def test_a_process_of_its_own_without_heavy_imports() -> None:
    code = (
        "import sys, scaling.cli; heavy = {'jax', 'scipy', 'pandas', 'numpy', 'matplotlib'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_real_command_line_end_to_end(table: Path) -> None:
    words = [sys.executable, "-m", "scaling.cli", "fit", str(table), "--draws", "20"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "status: converged" in done.stdout
    gone = subprocess.run([*words[:4], "gone.csv"], capture_output=True, text=True, check=False)
    assert (gone.returncode, gone.stdout) == (2, "")
    assert gone.stderr.startswith("scaling: gone.csv: no such file; ")
    assert gone.stderr.count("\n") == 1


def test_fit_profiles_what_is_asked(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--profile", "alpha", "--profile", "N_opt@1e22", "--profile", "loss@N=7B,D=140B"]
    words = ["fit", table, "--draws", 120, *asked]
    code, out, err = scaling(capsys, monkeypatch, *words)
    assert (code, err) == (0, "")
    for piece in ("90 % likelihood interval", "N_opt@1e+22", "loss@N=7e+09,D=1.4e+11", "bootstrap"):
        assert piece in out, piece
    code, out, _ = scaling(capsys, monkeypatch, *words, "--json")
    profiles = json.loads(out)["profiles"]
    assert set(profiles) == {"alpha", "N_opt@1e+22", "loss@N=7e+09,D=1.4e+11"}
    assert profiles["alpha"]["low"] < profiles["alpha"]["estimate"] < profiles["alpha"]["high"]
    code, _, err = scaling(capsys, monkeypatch, "fit", table, "--profile", "gamma")
    assert code == 2
    assert "no quantity gamma; it has E, A" in err
