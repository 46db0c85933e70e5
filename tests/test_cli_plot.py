"""`scaling plot`: every figure that a table or a saved fit allows, by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from batteries import laws as battery
from batteries.profiles import isoflop_table

from scaling import cli, laws
from scaling.fit import fit
from scaling.plot import registry
from scaling.table import write_table

LAW = laws.get("chinchilla")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plot")
    df = battery.table(LAW, battery.truth(LAW), noise=0.01)
    write_table(df, folder / "table.csv")
    (folder / "fit.json").write_text(fit(LAW, df, draws=120).to_json())
    return folder


def scaling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["scaling", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize("name", [*registry.OF_FIT, "profile"])
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
        (
            ["paris", "fit.json"],
            "known: depth, envelope, families, frontier, isoflop, overfitting, pairs, profile",
        ),
        (["paris", "fit.json"], "did you mean pairs?"),
        (["rates", "fit.json"], "needs a run table, not a fit"),
        (["depth", "fit.json"], "fit.json: the figure depth needs a study's folder"),
        (["depth", "."], "table.parquet: no such file"),
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
    assert message in err
    assert err.count("\n") == 1


def test_every_figure_is_exported_and_listed() -> None:
    from scaling import plot

    # these need a study's records, curves or known models: `proof`, `report`, `extrapolate` and
    # `landscape` draw them
    of_others = {"loss_curves", "cost", "proof", "extrapolation", "landscape"}
    figures = set(plot.__all__) - {"Fitted", "save", "writable"} - of_others
    assert set(registry.names()) == figures
