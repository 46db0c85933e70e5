"""`scaling forecast` by money, time and energy, under limits, along a frontier, of several sources,
through the real command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from batteries import laws as battery

from scaling import cli, laws
from scaling.fit import fit
from scaling.table import write_table

LAW = laws.get("chinchilla")
Command = Callable[..., tuple[int, str, str]]
H100 = ("--device", "h100-sxm", "--devices", 256)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spending") / "fit.json"
    table = battery.table(LAW, battery.truth(LAW), noise=0.01)
    path.write_text(fit(LAW, table, draws=50).to_json(), encoding="utf-8")
    return path


@pytest.fixture
def scaling(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scaling", "forecast", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    ("option", "amount", "C"),
    [
        ("--gpu-hours", "1000", 1000 * 3600 * 989.4e12 * 0.4),
        ("--dollars", "6.88k", 1000 * 3600 * 989.4e12 * 0.4),  # the dated list price
        ("--days", "2", 2 * 24 * 256 * 3600 * 989.4e12 * 0.4),
        ("--kwh", "770", 1000 * 3600 * 989.4e12 * 0.4),
    ],
)
def test_budgets_by_unit(scaling: Command, saved: Path, option: str, amount: str, C: float) -> None:
    code, out, err = scaling(saved, option, amount, *H100, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    (found,) = told["forecasts"]
    assert pytest.approx(C) == found["C"]
    assert found["spend"]["device_hours"]["point"] == pytest.approx(C / (3600 * 989.4e12 * 0.4))
    assert found["rates"][0]["source"] == "steplaw2025"
    assert told["hardware"]["price"] == pytest.approx(6.88)
    assert told["hardware"]["mfu"]["source"].startswith("assumed")


def test_a_range_of_mfu_is_told_in_words(scaling: Command, saved: Path) -> None:
    words = ("--dollars", "1M", *H100, "--mfu", ".35:.45", "--price", "2")
    _, out, _ = scaling(saved, *words)
    for piece in (
        "500,000 device-hours", "$1,000,000", "its least gives C = ", "its most gives C = ",
        "MFU 0.4 (0.35 to 0.45)", "$2.00 a device-hour (given)", "recipe   learning rate",
    ):  # fmt: skip
        assert piece in out, piece
    _, out, _ = scaling(saved, "--compute", "1e21", *H100, "--mfu", ".35:.45")
    assert "device-hours, " in out
    assert "its least" not in out  # C is given; hours have the interval


def test_limits_through_the_command_line(scaling: Command, saved: Path) -> None:
    words = (saved, "--compute", "1e22", *H100, "--max-memory", "device")
    _, out, _ = scaling(*words, "--serve-precision", "int4", "--json")
    told = json.loads(out)
    assert told["limits"] == [
        "a memory of 80 GB caps N at 1.6e+11 (0.5 bytes a weight, 1 x H100-SXM; weights alone)"
    ]
    assert told["forecasts"][0]["binding"] == []
    _, out, _ = scaling(saved, "--compute", "1e22", *H100, "--max-latency-ms", ".1")
    assert "limit    a latency of 0.1 ms a token caps N at 1.675e+08" in out
    assert "given up" in out
    _, out, _ = scaling(saved, "--within-days", "1", *H100, "--json")
    day = json.loads(out)["forecasts"][0]
    assert pytest.approx(24 * 256 * 3600 * 989.4e12 * 0.4) == day["C"]


def test_a_frontier_and_its_file(scaling: Command, saved: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    code, out, _ = scaling(saved, "--frontier", "1e18:1e22:5", "-o", rows)
    assert code == 0
    for piece in ("1e+18", "1e+22", "inside", "2.", "steps by steplaw2025"):
        assert piece in out, piece
    written = json.loads(rows.read_text())
    assert [row["C"] for row in written] == pytest.approx([1e18, 1e19, 1e20, 1e21, 1e22])
    assert "\x1b" not in out


def test_distance_comes_first_where_it_is_large(scaling: Command, saved: Path) -> None:
    _, out, _ = scaling(saved, "--compute", "1e26", "--rates", "none")
    assert out.startswith("far: 5.56e+05 x the largest run fitted, 5.74 decades beyond; nothing")
    assert "[" in out.splitlines()[3]  # answered, with an interval
    _, out, _ = scaling(saved, "--compute", "1e21", "--rates", "none")
    assert out.startswith("forecast for compute 1e+21")


def test_the_nearest_configuration_of_another_tables_ladder(scaling: Command, saved: Path) -> None:
    ladder = Path(__file__).parents[2] / "runs" / "text" / "seed-0" / "table.csv"
    words = (saved, "--params", "1e6", "--tokens", "1e9", "--like", ladder)
    code, out, err = scaling(*words, "--json")
    assert (code, err) == (0, "")
    (found,) = json.loads(out)["forecasts"]
    assert found["nearest"]["N"] == pytest.approx(1e6, rel=0.1)
    assert found["nearest"]["depth"] == 2  # what the ladder's shapes share


def test_several_sources_have_a_row_each(scaling: Command, saved: Path) -> None:
    words = (saved, "hoffmann2022", "--compute", "1e21", "--rates", "none")
    _, out, _ = scaling(*words)
    rows = [line for line in out.splitlines() if line.split()[:2] in (
        ["fit.json", "1e+21"], ["hoffmann2022", "1e+21"])]  # fmt: skip
    assert len(rows) == 2
    assert f"{saved} does not state N_kind; taken as total" in out
    _, out, _ = scaling(*words, "--json")
    told = json.loads(out)
    assert [item["source"] for item in told["sources"]] == [str(saved), "hoffmann2022"]
    assert len(told["notes"]) == 2


def test_a_table_beside_a_law_of_all_parameters_is_read_by_these(
    scaling: Command, tmp_path: Path
) -> None:
    table = battery.table(LAW, battery.truth(LAW), noise=0.01)
    path = tmp_path / "table.csv"
    write_table(table.assign(N_total=table["N"] * 1.5, N_kind="non_embedding"), path)
    words = (path, "hoffmann2022", "--compute", "1e21", "--law", "chinchilla", "--draws", 0)
    code, out, err = scaling(*words, "--json")
    assert (code, err) == (0, "")
    assert [item["n_column"] for item in json.loads(out)["sources"]] == ["N_total", "N_total"]
    code, _, err = scaling(*words, "--n", "N")
    assert code == 2
    assert "N_kind = non_embedding" in err
    assert "N_kind = total" in err
    code, _, err = scaling(path, "--compute", "1e4", "--draws", 0, "--no-rollouts")
    assert code == 2
    assert "less than one step of the smallest model" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dollars", "1M"], "--dollars: needs --device"),
        (["--compute", "1e20", "--mfu", ".4"], "--mfu: needs --device"),
        (["--dollars", "1M", "--days", "3", *H100], "--dollars and --days: both set the budget"),
        (["--compute", "1e20", "--days", "3", *H100], "--compute and --days: both set"),
        (["--compute", "1e20", "--device", "h100sx"], "unknown device 'h100sx'; nearest: H100-"),
        (["--compute", "1e20", *H100, "--mfu", "40"], "MFU 40: must be a share"),
        (["--compute", "1e20", *H100, "--price", "0"], "price 0: must be above 0"),
        (["--compute", "1e20", "--max-latency-ms", "5"], "needs --serve-device or --device"),
        (["--compute", "1e20", "--within-days", "5"], "--within-days: needs --device"),
        (["--params", "1e12", *H100, "--max-memory", "80"], "params = 1e+12 asks for N = 1e+12"),
        (["--frontier", "1e20"], "write LOW:HIGH"),
        (["--frontier", "1e20:1e10"], "LOW must be above 0 and below HIGH"),
        (["--frontier", "1e20:1e21:1"], "COUNT must be a whole number"),
        (["--frontier", "1e20:1e21", "--params", "1e9"], "leave out --tokens and --params"),
        (["--compute", "1e20", "--rates", "nothing"], "--rates = 'nothing'"),
        (["--compute", "1e20", "-o", "rows.txt"], "unknown format '.txt'"),
        (["--compute", "1e20", *H100, "--mfu-from", "nowhere"], "no study here"),
    ],
)
def test_bad_input(scaling: Command, saved: Path, words: list[object], message: str) -> None:
    code, out, err = scaling(saved, *words)
    assert (code, out) == (2, "")
    assert err.startswith("scaling: ")
    assert err.count("\n") == 1
    assert message in err


def test_a_saved_fit_answers_without_what_is_slow_to_import(saved: Path) -> None:
    slow = ("pandas", "scipy", "matplotlib", "rich", "jax", "scaling.grid", "scaling.families")
    told = (
        "import sys; from scaling import cli\n"
        f"sys.argv = ['scaling', 'forecast', {str(saved)!r}, '--dollars', '1e6', '--device', "
        "'H100-SXM']\n"
        "try: cli.main()\n"
        f"except SystemExit: print([name for name in {slow!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
