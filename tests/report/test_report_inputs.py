"""What a report may be asked of: budgets, tables, fits; and what is there but bad."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries import studies
from typer.testing import CliRunner

from scaling.cli import app
from scaling.errors import InputError
from scaling.fit import fit
from scaling.forecast import forecast
from scaling.report import Asked, report
from scaling.report.given import read_source
from scaling.report.read import read_study
from scaling.report.runs import runs_of
from scaling.report.thinning import SHOWN, drawn
from scaling.sweep.storing.records import digest, write_json

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "a \" onmouseover=alert(1) '",
    "loss 🧪 run 🚀",
    "ריצה ראשונה",
    "w" * 500,
]


@cache
def runs(sizes: int = 4, lengths: int = 4, seeds: int = 2) -> pd.DataFrame:
    rows = [
        studies.record(f"{i}-{j}-{seed}", float(N), float(D), seed, "pilot")
        for i, N in enumerate(np.geomspace(1e4, 1e5, sizes).round())
        for j, D in enumerate(np.geomspace(5e5, 4e6, lengths).round())
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows).drop(columns=["config", "family"])


def table(tmp_path: Path, df: pd.DataFrame | None = None, name: str = "runs.csv") -> Path:
    path = tmp_path / name
    (runs() if df is None else df).to_csv(path, index=False)
    return path


def words(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def asked(*args: object) -> str:
    result = CliRunner().invoke(app, ["report", *map(str, args)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def refused(*args: object) -> str:
    result = CliRunner().invoke(app, ["report", *map(str, args)])
    assert isinstance(result.exception, InputError)
    return str(result.exception)


def test_a_table_is_answered_as_scaling_forecast_answers(tmp_path: Path, no_drawing: None) -> None:
    path = report(table(tmp_path), None, Asked(3e13))
    assert path == tmp_path / "runs.report.html"
    told = words(path)
    best = fit("chinchilla", runs(), draws=0).optimum(3e13)
    assert f"expect loss {float(best.loss.point):.4g} nats per token" in told
    assert "Scaling laws of runs.csv" in told
    assert "C = 3.00 × 10¹³ FLOPs (counted from the models): as asked." in told
    assert "rollouts of chinchilla" in told.lower()
    assert "32 of 32 rows entered the fit" in told
    for absent in ("Loss curves", "Health of the runs", "Forecast against truth", "Costs, predict"):
        assert absent not in told


def test_a_saved_fit_is_a_report(tmp_path: Path, no_drawing: None) -> None:
    fitted = fit("chinchilla", runs(), draws=40)
    saved = tmp_path / "fit.json"
    saved.write_text(fitted.to_json())
    told = words(report(saved))
    found = forecast(fitted, compute=10 * fitted.c_max)
    assert f"90 % interval of one run {found.loss.q05:.4g} to {found.loss.q95:.4g}" in told
    assert "no rollout could check its forecasts" in told
    assert "Unchecked: 10 x the largest run fitted" in told


def test_the_command_takes_a_budget_in_money(tmp_path: Path, no_drawing: None) -> None:
    out = tmp_path / "answer.html"
    args = ("--dollars", "2M", "--device", "H100-SXM", "--mfu", ".35:.45", "--price", "2")
    told = asked(table(tmp_path), "--n", "N_total", *args, "-o", out)
    assert str(out) in told.replace("\n", "")
    told = words(out)
    assert "what 2,000,000 dollars buy" in told
    assert "1,000,000 device-hours" in told
    assert "Least MFU: C = " in told
    assert "$2.00 a device-hour (given)" in told


def test_families_of_a_table_have_laws_of_their_own(tmp_path: Path, no_drawing: None) -> None:
    two = pd.concat([runs().assign(family=name) for name in ("cnn", "<vit>")])
    two["run"] = [f"r{i}" for i in range(len(two))]
    study = read_source(table(tmp_path, two))
    assert list(study.fits) == ["<vit>", "cnn"]
    assert all(len(one.points["N"]) == len(runs()) for one in study.fits.values())


def test_names_are_shown_never_run(tmp_path: Path, no_drawing: None) -> None:
    names = [f"{HOSTILE[i % len(HOSTILE)]}{i}" for i in range(len(runs()))]
    df = runs().assign(run=names)
    df["status"] = np.where(df.index == 3, HOSTILE[0], "finished")
    text = report(table(tmp_path, df)).read_text(encoding="utf-8")
    body = re.sub(r"<script\b.*?</script>", "", text, flags=re.S)  # the page's own, by its hash
    assert "<img" not in body
    assert not re.search(r"<[^>]*\son\w+=", body)
    assert text.count("<script") == text.count("</script>")
    assert all(part in body for name in HOSTILE for part in re.findall(r"\w+", name))


def test_an_output_that_cannot_be_is_refused_before_any_work(tmp_path: Path) -> None:
    source = table(tmp_path)
    assert f"{tmp_path}: a folder; name a file in it" in refused(source, "-o", tmp_path)
    assert "not a folder" in refused(source, "-o", source / "report.html")
    assert "no such folder" in refused(source, "-o", tmp_path / "none" / "report.html")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--compute", "1e21", "--dollars", "5", "--device", "H100-SXM"), "both set the budget"),
        (("--dollars", "5"), "needs --device"),
        (("--compute", "0"), "must be a finite number above 0"),
        (("--law", "chinchila"), "did you mean chinchilla"),
        (("--columns", "D=tokns"), "no column tokns"),
        (("--where", "N > 1e12"), "no rows left to fit"),
    ],
)
def test_what_is_asked_wrongly(args: tuple[str, ...], told: str, tmp_path: Path) -> None:
    assert told in refused(table(tmp_path), *args)


def test_options_of_a_table_are_of_a_table(tmp_path: Path) -> None:
    studies.small_study(tmp_path / "study", forecast=False)
    assert "--law: of a run table only" in refused(tmp_path / "study", "--law", "kaplan")
    text = tmp_path / "notes.txt"
    text.write_text("no runs")
    assert "valid are a study's folder, a run table" in refused(text)
    assert "no such folder or file" in refused(tmp_path / "nowhere")


def test_a_table_of_n_d_and_loss_alone(tmp_path: Path) -> None:
    text = report(table(tmp_path, runs()[["N", "D", "loss"]])).read_text(encoding="utf-8")
    drawings = re.findall(r'id="figure-([a-z_]+)"', text)
    assert drawings == ["isoflop", "slices", "residuals", "frontier", "envelope"]
    assert "The law misses runs by " in text
    assert "6 N D, attention left out" in text


def test_a_table_without_d(tmp_path: Path) -> None:
    told = refused(table(tmp_path, runs().drop(columns="D").rename(columns={"D_unique": "DD"})))
    assert "runs.csv: no column D" in told
    assert "--columns D=" in told


def test_one_run(tmp_path: Path, no_drawing: None) -> None:
    assert "1 distinct runs are too few" in refused(table(tmp_path, runs().head(1)))
    folder = one_study(tmp_path, {})
    told = words(report(folder))
    assert "There is no result yet" in told
    assert "No law could be fitted" in told
    assert "1 pilot and 0 target cells are done" in told


def test_all_runs_failed(tmp_path: Path, no_drawing: None) -> None:
    folder = one_study(tmp_path, {"status": "failed", "reason": "out of <memory>", "loss": None})
    told = words(report(folder))
    assert "no rows left to fit (1 row left out: status is failed)" in told
    assert "failed: out of &lt;memory&gt;" in told


def test_losses_that_are_nan(tmp_path: Path, no_drawing: None) -> None:
    folder = studies.small_study(tmp_path / "study", forecast=False)
    change(folder, "00000cell", {"loss": float("nan"), "status": "diverged"})
    told = words(report(folder))
    assert "1 row left out: status is diverged" in told
    assert "nan" not in told.lower().replace("nanoseconds", "").split()
    change(folder, "00001cell", {"loss": float("nan")})  # finished, by its own account
    assert "column loss is NaN or empty" in words(report(folder))


def test_very_many_rows_are_thinned_by_a_rule_that_is_told(tmp_path: Path) -> None:
    many = runs(sizes=30, lengths=50, seeds=2)
    study = read_source(table(tmp_path, many))
    assert study.fit is not None
    assert study.fit.fits[0].n_rows == len(many)  # all of them
    shown = runs_of(study, {"units": "tokens", "short": "", "metrics": {}})
    assert (len(shown.rows), shown.total) == (SHOWN, len(many))
    assert "1,000 of 3,000 runs are shown, even in order of compute" in shown.rule
    names = {run for run, _, _ in shown.rows}
    C = many.set_index("run")["C"]
    assert {C.idxmin(), C.idxmax()} & names or {C.min(), C.max()} <= set(C[list(names)])
    fitted, rule = drawn(study.fit)
    assert (
        rule == "1,000 of 3,000 runs are drawn: 20 of 30 sizes, and of each 50 at most, even in D."
    )
    assert len(np.unique(fitted.points["N"])) == 20
    assert fitted.points["N"].max() == many["N"].max()
    assert len(study.fit.points["N"]) == len(many)


@pytest.mark.slow
def test_100_000_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    N = np.exp(rng.uniform(np.log(1e4), np.log(1e6), 100_000))
    D = np.exp(rng.uniform(np.log(5e5), np.log(5e7), 100_000))
    loss = (0.9 + 37 / N**0.44 + 176 / D**0.44) * np.exp(rng.normal(0, 0.005, len(N)))
    path = report(table(tmp_path, pd.DataFrame({"N": N, "D": D, "loss": loss})))
    assert path.stat().st_size < 5e6
    told = words(path)
    assert "100,000 of 100,000 rows entered the fit" in told
    assert "1,000 of 100,000 runs are shown" in told
    assert "1,000 of 100,000 runs are drawn" in told
    assert "too many to bootstrap" in told


def test_many_curves_are_thinned_before_they_are_read(tmp_path: Path) -> None:
    folder = studies.large_study(tmp_path / "large", sizes=14, lengths=10, seeds=1)
    study = read_study(folder)
    assert len(study.records) == 140
    assert len(study.curves) == 12 * 8
    assert study.table is not None
    kept = study.table[study.table["run"].isin(list(study.curves))]
    for column in ("N", "D"):
        whole = study.table[column]
        assert {whole.min(), whole.max()} <= set(kept[column])


def one_study(tmp_path: Path, changed: dict[str, object]) -> Path:
    folder = tmp_path / "one"
    folder.mkdir()
    row = {**studies.record("one", 1e4, 5e5, 0, "pilot"), **changed}
    write_json(folder / "study.json", {"name": "one", "cells": ["one"]})
    (folder / "grid.toml").write_text("name = 'one'\n")
    cell = folder / "cells" / "one"
    cell.mkdir(parents=True)
    write_json(cell / "record.json", {**row, "sha256": digest(row)})
    return folder


def change(folder: Path, run: str, values: dict[str, object]) -> None:
    path = folder / "cells" / run / "record.json"
    row = json.loads(path.read_text())
    row.pop("sha256")
    row |= values
    write_json(path, {**row, "sha256": digest(row)})
