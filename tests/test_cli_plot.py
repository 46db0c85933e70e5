"""`scaling plot`: every figure that a table or a saved fit allows, by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO

import pytest
from batteries import laws as battery
from batteries.profiles import isoflop_table
from batteries.studies import small_study
from matplotlib.figure import Figure

from scaling import cli, laws, plot
from scaling.fit import fit
from scaling.plot import registry, save
from scaling.table import write_table

LAW = laws.get("chinchilla")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plot")
    df = battery.table(LAW, battery.truth(LAW), noise=0.01)
    write_table(df, folder / "table.csv")
    (folder / "fit.json").write_text(fit(LAW, df, draws=120).to_json())
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_study(tmp_path_factory.mktemp("study") / "made-up")


def scaling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["scaling", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize("name", [n for n, e in registry.FIGURES.items() if e.takes == "fit"])
def test_every_figure_of_a_fit_is_drawn_from_a_saved_one(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder / f"{name}.svg"
    assert scaling(capsys, monkeypatch, "plot", name, folder / "fit.json", "-o", out) == (0, "")
    assert out.read_text().startswith("<?xml")


def test_a_table_is_fitted_first_and_quantities_can_be_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder / "one.svg"
    options = ["--draws", 120, "--where", "N < 1e9", "--profile", "N_opt@1e22", "-o", out]
    done = scaling(capsys, monkeypatch, "plot", "profile", folder / "table.csv", *options)
    assert done == (0, "")
    assert "profile-N_opt_1e_22" in out.read_text()


def test_a_table_is_rolled_out(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(isoflop_table(5), folder / "profiles.csv")
    out = folder / "rollout.svg"
    assert scaling(capsys, monkeypatch, "plot", "rollout", folder / "profiles.csv", "-o", out) == (
        0,
        "",
    )
    assert "mean-loss_coverage-isoflop" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["paris", "fit.json"], f"known: {', '.join(registry.FIGURES)}; did you mean pairs?"),
        (["rates", "fit.json"], "needs a run table, not a fit"),
        (["depth", "table.csv"], "table.csv: this figure needs a study's folder"),
        (["cost", "gone"], "gone: this figure needs a study's folder"),
        (["depth", "."], "table.parquet: no such file"),
        (["proof", "."], "forecast.json: no forecast here"),
        (["telemetry", "."], "no run's folder (no curve.parquet); give DIR/cells/ID"),
        (["rates", "table.csv", "--n", "N_total"], "--n: without effect on the figure rates"),
        (["pairs", "fit.json", "--law", "kaplan"], "--law: {folder}/fit.json is fitted already"),
        (["extrapolation", "table.csv"], "no column x"),
        (["rollout", "fit.json"], "needs a run table, not a fit"),
        (["families", "fit.json"], "needs a run table, not a fit"),
        (["pairs", "gone.json"], "gone.json: no such file"),
        (["pairs", "fit.json", "--profile", "a"], "only the figure profile takes quantities"),
        (["profile", "fit.json", "--profile", "zeta"], "no quantity zeta"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figure, source, *more = words
    code, err = scaling(
        capsys, monkeypatch, "plot", figure, folder / source, *more, "-o", folder / "x.svg"
    )
    assert code == 2
    assert message.replace("{folder}", str(folder)) in err
    assert err.count("\n") == 1
    assert not (folder / "x.svg").exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (["x.docx"], "x.docx: a figure ends in one of .svg, .pdf, .png"),
        (["taken.svg"], "taken.svg: a folder; a figure needs a file's name"),
        (["gone/x.svg"], "gone/x.svg: no such folder"),
        (["/proc/1/x.svg"], "/proc/1/x.svg: "),
        ([f"{'x' * 300}.svg"], "cannot write: File name too long"),
        (["x.svg", "gone/x.pdf"], "gone/x.pdf: no such folder"),
        ([], "no file to draw to; give -o FILE.svg, .pdf, .png"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(
    out: list[str],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "taken.svg").mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    options = [word for file in out for word in ("-o", file)]
    code, err = scaling(capsys, monkeypatch, "plot", "pairs", "no-such-table.csv", *options)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (folder / "x.svg").exists()


def test_several_files_are_written_and_told_of(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [folder / f"both.{suffix}" for suffix in ("svg", "pdf", "png")]
    options = [word for file in files for word in ("-o", file)]
    words = ["scaling", "plot", "residuals", folder / "fit.json", *options, "--json"]
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    with pytest.raises(SystemExit):
        cli.main()
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == list(map(str, files))
    assert [file.read_bytes()[:4] for file in files] == [b"<?xm", b"%PDF", b"\x89PNG"]


def test_what_was_there_stays_until_the_figure_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder / "kept.svg"
    target.write_text("before")

    def interrupted(self: Figure, file: IO[bytes], **_: object) -> None:
        file.write(b"half a fig")
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(Figure(), target)
    assert target.read_text() == "before"
    assert [path.name for path in folder.glob("kept*")] == ["kept.svg"]


def test_all_figures_are_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (["plot"], ["plot", "--json"]):
        monkeypatch.setattr(sys, "argv", ["scaling", *words])
        with pytest.raises(SystemExit):
            cli.main()
        told = capsys.readouterr().out
        assert all(name in told and entry.shows in told for name, entry in registry.FIGURES.items())
    assert [row["figure"] for row in json.loads(told)] == list(registry.FIGURES)
    assert scaling(capsys, monkeypatch, "plot", "cost")[0] == 2


@pytest.mark.parametrize(("figure", "studys"), [("loss_curves", ()), ("cost", ()), ("proof", ()),
                                                ("residuals", ("--n", "N_total"))])  # fmt: skip
def test_a_studys_folder_is_drawn(
    figure: str,
    studys: tuple[str, ...],
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "figure.svg"
    before = sorted(path.name for path in study.rglob("*"))
    words = ["plot", figure, study, *studys, *["--draws", "40"] * bool(studys), "-o", out]
    assert scaling(capsys, monkeypatch, *words) == (0, "")
    assert out.read_text().startswith("<?xml")
    assert sorted(path.name for path in study.rglob("*")) == before  # read only


def test_every_figure_is_exported_and_listed() -> None:
    assert set(registry.FIGURES) == set(plot.__all__) - {"Fitted", "save", "writable"}
