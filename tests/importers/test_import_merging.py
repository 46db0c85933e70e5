"""Restarts, copies, unfinished runs, outliers: each by one rule, and told."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import InputError
from scaling.importing import Asked, Imported, import_runs
from scaling.importing.curves import LOSS, STEP, TRAIN, D, end, joined
from scaling.table import check_table, select_rows

NAN = math.nan


def curve(steps: list[int], offset: float = 0.0) -> np.ndarray:
    """A point a step, its loss its place in the log."""
    points = np.full((len(steps), 4), NAN)
    points[:, STEP] = steps
    points[:, D] = np.multiply(steps, 64.0)
    points[:, LOSS] = np.arange(len(steps)) + offset
    points[:, TRAIN] = points[:, LOSS]
    return points


def as_in_the_rule(steps: list[int]) -> list[float]:
    """The rule, word by word: from where a start begins, nothing before it stands."""
    standing: dict[int, float] = {}
    for place, step in enumerate(steps):
        standing = {s: v for s, v in standing.items() if s < step}
        standing[step] = float(place)
    return [standing[step] for step in sorted(standing)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_the_later_start_wins_from_its_first_step_on(steps: list[int]) -> None:
    found = joined(curve(steps))
    assert found.points[:, LOSS].tolist() == as_in_the_rule(steps)
    assert (np.diff(found.points[:, STEP]) > 0).all()
    assert found.replaced == sum(any(s <= step for s in steps[i + 1 :]) for i, step in
                                 enumerate(steps))  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(0, 40))
def test_it_does_not_matter_where_a_log_was_cut(steps: list[int], cut: int) -> None:
    whole = joined(curve(steps)).points
    parts = [curve(steps)[:cut], curve(steps)[cut:]]
    halves = np.concatenate([joined(part).points for part in parts if len(part)])
    assert np.array_equal(joined(halves).points, whole)


def test_values_of_one_step_are_one_point() -> None:
    points = curve([5, 10, 10, 15])
    points[1, LOSS] = NAN
    points[2, TRAIN] = NAN
    found = joined(points).points
    assert found[:, STEP].tolist() == [5, 10, 15]
    assert found[1, [LOSS, TRAIN]].tolist() == [2, 1]


def test_how_runs_ended() -> None:
    points = curve([*range(10, 110, 10)])
    assert end(points, 100, "unstated").status == "finished"
    assert end(points, 200, "unstated").reason == "stopped at step 100 of 200"
    assert end(points, 100, "crashed").status == "failed"
    assert end(points, 0, "running").status == "stopped"
    lost = points.copy()
    lost[6:, [LOSS, TRAIN]] = NAN
    assert end(lost, 100, "unstated").status == "diverged"
    sparse = points.copy()
    sparse[[0, 1, 2, 4, 6, 7, 8, 9], LOSS] = NAN
    assert end(sparse, 100, "unstated").status == "partway"
    infinite = points.copy()
    infinite[-1, LOSS] = np.inf
    assert "infinite at step 100" in end(infinite, 100, "unstated").reason
    assert end(np.full((1, 4), NAN), 0, "unstated").status == "failed"


def log(path: Path, **runs: list[int]) -> Path:
    rows = [{"run_id": name, "step": step, "tokens": step * 64000, "params": 1e6 + len(name),
             "val_loss": 3 + 10 / step + place / 1000}
            for name, steps in runs.items() for place, step in enumerate(steps)]  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def imported(*sources: Path, **asked: Any) -> Imported:
    return import_runs([str(each) for each in sources], Asked(**asked))


def test_a_run_in_two_files_is_one(tmp_path: Path) -> None:
    first = log(tmp_path / "a.csv", one=[10, 20, 30, 40], other=[10, 20])
    again = log(tmp_path / "b.csv", one=[30, 40, 50, 60])
    found = imported(first, again, curves=tmp_path / "curves.parquet")
    one = found.df[found.df["run"] == "one"].iloc[0]
    assert (one["steps"], one["status"]) == (60, "finished")
    told = [str(item) for item in found.account.merged]
    assert any("joined from 2 starts" in line for line in told)
    assert any("first step on, and 2 points of before no longer stand" in line for line in told)
    curves = pd.read_parquet(tmp_path / "curves.parquet")
    assert curves[curves["run"] == "one"]["step"].tolist() == [10, 20, 30, 40, 50, 60]


def test_the_rows_of_runs_may_be_mixed(tmp_path: Path) -> None:
    path = log(tmp_path / "a.csv", one=[10, 20, 30, 40], other=[10, 20, 30])
    apart = imported(path).df
    rows = pd.read_csv(path).sort_values("step", kind="stable")
    rows.to_csv(tmp_path / "mixed.csv", index=False)
    mixed = imported(tmp_path / "mixed.csv")
    pd.testing.assert_frame_equal(mixed.df.drop(columns="origin"), apart.drop(columns="origin"))
    assert not mixed.account.merged


def points_table(tmp_path: Path, rows: list[dict[str, object]]) -> Path:
    path = tmp_path / "points.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_copies_are_left_out_by_name_and_repetitions_are_not(tmp_path: Path) -> None:
    base = {"params": 1e6, "tokens": 1e9, "lr": 1e-3}
    rows = [
        {**base, "seed": 0, "val_loss": 3.0},
        {**base, "seed": 1, "val_loss": 3.1},
        {**base, "seed": 0, "val_loss": 3.0},
        {**base, "lr": 2e-3, "seed": 0, "val_loss": 3.3},
    ]
    found = imported(points_table(tmp_path, rows))  # fmt: skip
    assert found.df["loss"].tolist() == [3.1, 3.0, 3.3]
    (told,) = found.account.left_out
    assert "row 1" in told.run
    assert "row 3" in told.reason
    unseeded = [{k: v for k, v in row.items() if k != "seed"} for row in rows]
    found = imported(points_table(tmp_path, unseeded))
    assert sorted(found.df["loss"]) == [3.0, 3.1, 3.3]
    same_seed = [{**row, "seed": 42, "val_loss": 3 + i / 10} for i, row in enumerate(rows)]
    assert len(imported(points_table(tmp_path, same_seed)).df) == 4


def test_a_setting_that_is_no_column_of_ours_makes_another_run(tmp_path: Path) -> None:
    rows = [{"run_id": f"wd{decay}", "step": step, "tokens": step * 64000, "params": 1e6, "seed": 0,
             "weight_decay": decay, "val_loss": 3 + (10 + decay) / step}
            for decay in (0.0, 0.1) for step in (10, 20, 30)]  # fmt: skip
    assert len(imported(points_table(tmp_path, rows)).df) == 2


@pytest.mark.parametrize("name", ["runs.csv", "train.csv", "train.log"])
def test_names_of_places_join_nothing_across_places(tmp_path: Path, name: str) -> None:
    """Of two seeds `row 1` of a table, a log without ids, or train.log are called alike."""
    for seed in range(2):
        values = [(step, step * 64000, 1e6, 4 - step / 100 + seed / 50) for step in (10, 20, 30)]
        text = "step,tokens,params,val_loss\n" + "".join(f"{s},{d},{n},{v}\n"
                                                         for s, d, n, v in values)  # fmt: skip
        if name == "runs.csv":
            text = f"tokens,params,val_loss\n1e9,1e6,{3 + seed / 10}\n"
        if name.endswith(".log"):
            text = "tokens per iteration will be: 64,000\nnumber of parameters: 1.00M\n"
            text += "".join(f"step {s}: train loss {v}, val loss {v}\n" for s, _, _, v in values)
        (tmp_path / f"seed{seed}").mkdir()
        (tmp_path / f"seed{seed}" / name).write_text(text)
    found = imported(tmp_path / "*" / name)
    assert found.df["loss"].nunique() == 2
    assert not found.account.merged


def test_a_diverged_run_stays_and_no_fit_sees_it(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"params": N, "tokens": 20 * N, "val_loss": 3.0} for N in (1e6, 2e6)
    ]
    rows += [{"params": 3e6, "tokens": 6e7, "val_loss": "nan"}, {"params": 4e6, "tokens": 8e7}]
    found = imported(points_table(tmp_path, rows))
    assert found.df["status"].tolist() == ["finished", "finished", "diverged", "failed"]
    assert [told.reason for told in found.account.not_finished] == [
        "diverged: loss is NaN", "failed: no loss"]  # fmt: skip
    check_table(select_rows(found.df)[0])


@pytest.mark.parametrize("factor", [0.85, 1.15])
def test_a_run_off_the_rest_is_flagged_and_kept(factor: float) -> None:
    from scaling.importing.outliers import flagged

    N, D_ = (a.ravel() for a in np.meshgrid(np.geomspace(1e6, 1e8, 5), np.geomspace(1e8, 1e10, 5)))
    tables = 100
    clean = np.zeros(tables, int)
    for seed in range(tables):
        noise = np.random.default_rng(seed).normal(0, 0.002, 25)
        loss = (1.7 + 400 / N**0.34 + 410 / D_**0.28) * np.exp(noise)
        sound = flagged(loss, N, D_)
        loss[seed % 25] *= factor
        found = flagged(loss, N, D_)
        assert found is not None
        assert sound is not None
        clean[seed] = sound[0].sum()
        assert found[0][seed % 25]
        assert found[0].sum() <= 3
    assert (clean > 0).mean() <= 0.05  # measured on 400 tables: 1 %


def test_few_runs_tell_of_no_outlier() -> None:
    from scaling.importing.outliers import flagged

    few = np.array([1e6, 2e6, 4e6, 8e6])
    assert flagged(np.array([4.0, 3.0, 9.0, 2.5]), few, few**1.2) is None


def test_points_on_the_way_are_no_finished_runs(tmp_path: Path) -> None:
    path = log(tmp_path / "a.csv", one=[*range(10, 210, 10)])
    found = imported(path, points=4).df
    assert found["status"].tolist() == ["partway"] * 3 + ["finished"]
    assert set(found["trunk"]) == {"one"}
    assert found["D"].is_monotonic_increasing
    assert len(imported(path, points=None).df) == 20
    assert set(imported(path, points=None, as_finished=True).df["status"]) == {"finished"}


@pytest.mark.parametrize(("rule", "loss"), [("final", 4), ("best", 2), ("smoothed:2", 3.5)])
def test_which_loss_stands_for_a_run(tmp_path: Path, rule: str, loss: float) -> None:
    rows = {"run_id": "a", "step": [1, 2, 3, 4], "tokens": [1e6, 2e6, 3e6, 4e6], "params": 1e6,
            "val_loss": [5.0, 2.0, 3.0, 4.0]}  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    found = imported(tmp_path / "a.csv", loss=rule)
    assert found.df["loss"].tolist() == [loss]
    assert found.account.loss == rule


def ladder(sizes: list[float], steps: list[int]) -> list[dict[str, object]]:
    return [{"params": N, "step": step, "tokens": step * 1e6, "val_loss": 3 + 10 / step + 1e5 / N}
            for N in sizes for step in steps]  # fmt: skip


def test_rows_of_several_sizes_are_not_one_run(tmp_path: Path) -> None:
    rows = [row for i in range(1, 6) for row in ladder([i * 1e6], [100 * i])]
    assert len(imported(points_table(tmp_path, rows)).df) == 5  # each longer than the one before
    path = points_table(tmp_path, ladder([1e6, 2e6], [*range(10, 210, 10)]))
    with pytest.raises(InputError, match=r"whether they are 2 runs \(--map run=params\)"):
        imported(path)
    assert len(imported(path, options={"run": "params"}).df) == 2
    assert len(imported(path, options={"run": "each"}).df) == 40


def test_a_row_without_an_id_is_refused(tmp_path: Path) -> None:
    rows = [{"run_id": name, **row} for name in ("a", "b", None) for row in ladder([1e6], [10, 20])]
    with pytest.raises(InputError, match="row 5 says no run_id"):
        imported(points_table(tmp_path, rows))


def test_tokens_of_the_whole_run_stand_for_its_last_reading(tmp_path: Path) -> None:
    """Losses are held out at every other step, and not at the last."""
    rows = ladder([1e6], [*range(10, 120, 10)])
    for i, row in enumerate(rows):
        row |= {"train_loss": row["val_loss"], "val_loss": row["val_loss"] if i % 2 else None}
    found = imported(points_table(tmp_path, rows), maps={"D": "1e9"}).df
    assert found[["D", "steps", "status"]].values.tolist() == [[1e9, 100, "finished"]]


def test_tokens_that_never_change_are_the_whole_runs(tmp_path: Path) -> None:
    rows = [{**row, "tokens": 1e9} for row in ladder([1e6], [*range(10, 120, 10)])]
    found = imported(points_table(tmp_path, rows), loss="smoothed:3")
    assert found.df["D"].tolist() == [1e9]
    assert found.df["loss"].tolist() == pytest.approx(
        [np.mean([3 + 10 / step + 0.1 for step in (90, 100, 110)])]
    )
    assert not found.account.merged
