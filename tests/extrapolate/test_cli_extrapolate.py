"""`scaling extrapolate` through the real command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling import cli

Run = Callable[..., tuple[int, str, str]]

X = np.geomspace(1e6, 1e9, 16)
AHEAD = np.array([2e9, 4e9])


def table(**columns: object) -> pd.DataFrame:
    """Two curves, each with rows to fit and two rows ahead."""
    parts = []
    for task, c in (("slow", 0.15), ("fast", 0.4)):
        x = np.concatenate([X, AHEAD])
        noise = np.exp(0.003 * np.random.default_rng(0).normal(size=len(x)))
        split = ["fit"] * len(X) + ["extrapolate"] * len(AHEAD)
        parts.append(
            pd.DataFrame({"task": task, "x": x, "loss": 3 * (x / 1e6) ** -c * noise,
                          "split": split})
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True).assign(**columns)


@pytest.fixture
def scaling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    def run(df: pd.DataFrame, *words: object) -> tuple[int, str, str]:
        path = tmp_path / "curves.csv"
        df.to_csv(path, index=False)
        monkeypatch.setattr(sys, "argv", ["scaling", "extrapolate", str(path), *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


BY_TASK = ("--group", "task", "--x", "x", "--y", "loss", "--split", "split")


def test_json_holds_every_row_ahead(scaling: Run) -> None:
    code, out, err = scaling(table(), *BY_TASK, "--json")
    assert (code, err) == (0, "")
    groups = json.loads(out)["groups"]
    assert [item["group"] for item in groups] == ["slow", "fast"]
    for item in groups:
        assert item["x"] == AHEAD.tolist()
        low, point, high = (np.array(item[k]) for k in ("q05", "prediction", "q95"))
        assert ((low < point) & (point < high)).all()
        assert 0 < item["rmsle"] < 0.02
        assert "warning" not in item


def test_unknown_losses_are_predicted_and_not_scored(scaling: Run) -> None:
    df = table()
    df.loc[(df["task"] == "slow") & (df["split"] == "extrapolate"), "loss"] = np.nan
    _, out, _ = scaling(df, *BY_TASK, "--json")
    _, scored, _ = scaling(table(), *BY_TASK, "--json")
    slow, fast = json.loads(out)["groups"]
    assert "rmsle" not in slow
    assert fast["rmsle"] > 0
    assert slow["prediction"] == json.loads(scored)["groups"][0]["prediction"]  # never looked at


def test_one_curve_and_points_to_predict(scaling: Run) -> None:
    one = table()[lambda df: (df["task"] == "fast") & (df["split"] == "fit")]
    code, out, err = scaling(one, "--at", "2e9", "--at", "4B", "--json")
    assert (code, err) == (0, "")
    (item,) = json.loads(out)["groups"]
    assert item["x"] == [2e9, 4e9]
    assert item["prediction"][1] == pytest.approx(3 * 4e3**-0.4, rel=0.02)
    assert item["rollout"]["fits"] == 3


def test_the_report_is_read_without_colour(scaling: Run) -> None:
    code, out, _ = scaling(table(), *BY_TASK)
    assert code == 0
    for piece in ("slow", "fast", "4e+09", "90 % interval", "rollouts inside 2 curves",
                  "known losses ahead of 2 curves: mean RMSLE 0.0"):  # fmt: skip
        assert piece in out, piece
    assert "\x1b" not in out


def test_what_rollouts_could_not_reach_is_said_first(scaling: Run) -> None:
    one = table()[lambda df: (df["task"] == "fast") & (df["split"] == "fit")]
    _, out, _ = scaling(one, "--at", "1e13")
    assert out.startswith("unchecked: 1e+04x beyond the last fitted point; rollouts inside the")
    _, out, _ = scaling(one.head(4), "--at", "1e9")
    assert "too short to test any forecast on itself" in out.splitlines()[0]
    _, out, _ = scaling(one, "--at", "2e9")
    assert "unchecked" not in out


def test_published_laws_side_by_side(scaling: Run) -> None:
    few = table()[lambda df: df["task"] == "fast"]
    _, out, _ = scaling(few, *BY_TASK, "--methods")
    for name in ("ours", "m1", "m2", "m3", "m4", "bnsl1"):
        assert name in out
    _, out, _ = scaling(few.iloc[11:], *BY_TASK, "--methods", "--json")
    methods = json.loads(out)["groups"][0]["methods"]
    assert methods["m1"]["rmsle"] < 0.02
    assert list(methods["bnsl1"]) == ["status"]
    assert "5 distinct runs are too few" in methods["bnsl1"]["status"]


def test_a_curve_with_nothing_ahead_is_passed_over(scaling: Run) -> None:
    df = table()[lambda df: (df["task"] == "fast") | (df["split"] == "fit")]
    code, out, err = scaling(df, *BY_TASK, "--methods")
    assert (code, err) == (0, "")
    assert "fast" in out
    _, out, _ = scaling(df, *BY_TASK, "--json")
    assert json.loads(out)["groups"][0]["prediction"] == []


def test_figure(scaling: Run, tmp_path: Path) -> None:
    code, _, _ = scaling(table(), *BY_TASK, "--plot", tmp_path / "curves.svg")
    assert code == 0
    assert "came out" in (tmp_path / "curves.svg").read_text()


FITTED = table()["split"] == "fit"
BAD: dict[str, tuple[pd.DataFrame, tuple[str, ...], str]] = {
    "loss of zero": (
        table().replace({"loss": {table()["loss"][2]: 0.0}}), BY_TASK,
        "column loss is zero or negative in row 3; every loss must be a finite number above 0",
    ),
    "rate of one": (
        table(loss=np.where(table().index < 2, 1.0, table()["loss"] / 4)), BY_TASK,
        "group slow: loss is exactly 1, the ceiling of a rate, in rows 1, 2; valid are rates",
    ),
    "a fitted loss is missing": (
        table(loss=table()["loss"].where(table().index != 4)), BY_TASK,
        "column loss is NaN or empty in row 5",
    ),
    "one point": (
        table()[lambda df: ~FITTED | (df.index == 0) | (df["task"] == "fast")], BY_TASK,
        "group slow: 1 rows to fit with 1 distinct x (row 1); at least 3 distinct x are needed",
    ),
    "equal x": (
        table(x=np.where(FITTED, 7.0, 9.0)), BY_TASK,
        "group slow: 16 rows to fit with 1 distinct x (rows 1, 2, 3, 4, 5 and 11 more)",
    ),
    "an accuracy": (
        table(loss=1 / (1 + table()["loss"])), BY_TASK,
        "group slow: loss rises with x all along the fitted rows; a loss or an error rate falls",
    ),
    "two metrics": (
        table(metric=np.where(table().index % 2, "bpb", "nll")), BY_TASK,
        "group slow: column metric mixes bpb and nll in one curve",
    ),
    "a split of another name": (
        table(split=table()["split"].replace("extrapolate", "test")), BY_TASK,
        "column split holds 'test' in rows 17, 18, 35, 36; valid: \"fit\" and \"extrapolate\"",
    ),
    "nothing to predict": (table(), ("--group", "task"), "nothing to predict: give x (--at 1e9)"),
    "an x behind": (
        table(), (*BY_TASK, "--at", "5"), "--at 5 lies below the largest fitted x (1e+09)"
    ),
    "a row behind": (
        table(x=np.where(FITTED, table()["x"], 10.0)), BY_TASK,
        "rows 17, 18 to predict lie below the largest fitted x (1e+09)",
    ),
    "no such group": (
        table(), ("--group", "name", "--at", "2e9"), "no column name (--group); it has task, x"
    ),
    "no such split": (table(), ("--split", "part"), "no column part (--split); it has"),
    "no such loss": (
        table(), (*BY_TASK[:5], "error", *BY_TASK[6:]), "no column error (--y); it has task, x"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_the_rows_and_what_is_valid(scaling: Run, case: str) -> None:
    df, words, message = BAD[case]
    code, out, err = scaling(df, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_published_curves(scaling: Run, shared_data: Path) -> None:
    """A few published tasks: near what M4 reaches on them, in one call."""
    df = pd.read_csv(shared_data / "extrapolation_dev.csv")
    df = df[df["suite"].isin(["LM", "NMT"])]
    _, out, _ = scaling(df, *BY_TASK, "--json")
    score = {item["group"]: item["rmsle"] for item in json.loads(out)["groups"]}
    assert np.mean([v for k, v in score.items() if k.startswith("LM")]) < 0.001
    assert np.mean([v for k, v in score.items() if k.startswith("NMT")]) < 0.03
