"""Groups of a table under laws of their own, and where their frontiers cross."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries.vision import TRUTHS, Truth, crossing, vision_table
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from scaling.cli import app
from scaling.errors import InputError
from scaling.fit import fit
from scaling.fit.methods import methods
from scaling.forecast.decisions.crossing import crossings, side_by_side
from scaling.forecast.decisions.groups import Groups, fit_by
from scaling.forecast.decisions.standings import standings
from scaling.forecast.forecasters import default
from scaling.forecast.rows import rows_of
from scaling.forecast.rules import by_rules
from scaling.table import write_table

NEAR = {"cnn": TRUTHS["cnn"], "resnet": TRUTHS["resnet"]}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return vision_table()


@pytest.fixture(scope="module")
def found(table: pd.DataFrame) -> Groups:
    return fit_by("chinchilla", table, draws=300)


def test_each_family_gets_its_own_law(table: pd.DataFrame, found: Groups) -> None:
    assert found.names == ("cnn", "mlp", "resnet")
    alone = fit("chinchilla", table, where="family == 'cnn'", draws=300)
    assert found.fits["cnn"].params == alone.params
    assert np.array_equal(found.fits["cnn"].draws, alone.draws)  # the first has the seed given
    numbers = found.parameters()
    for name, truth in TRUTHS.items():
        for key in ("E", "A", "alpha", "B", "beta"):
            value = numbers[key][name]
            slack = 0.6 * (value.q95 - value.q05)  # a 90 % interval misses one in ten
            assert value.q05 - slack < getattr(truth, key) < value.q95 + slack
        gamma = truth.alpha * truth.beta / (truth.alpha + truth.beta)
        assert numbers["gamma"][name].point == pytest.approx(gamma, rel=0.03)


def test_rows_of_several_families_enter_no_fit_unsaid(table: pd.DataFrame) -> None:
    message = r"3 model families \(cnn, mlp, resnet\).*--where \"family == 'cnn'\".*crossing"
    for ask in (
        lambda: fit("chinchilla", table),
        lambda: rows_of(table),
        lambda: methods(table),
        lambda: fit_by("chinchilla", table, "seed"),
    ):
        with pytest.raises(InputError, match=message):
            ask()
    assert len(rows_of(table, where="family == 'mlp'").N) == 50


def test_crossings_lie_where_the_laws_cross(found: Groups) -> None:
    pairs = {(item.first, item.then): item for item in crossings(found)}
    assert set(pairs) == {("mlp", "cnn"), ("cnn", "resnet"), ("mlp", "resnet")}
    for (first, then), item in pairs.items():
        truth = crossing(TRUTHS[first], TRUTHS[then], 1e6, 1e20)
        assert pytest.approx(truth, rel=0.3) == item.C
        assert item.q05 < item.C < item.q95
        assert item.crosses > 0.99
        assert item.told_apart
        for name, side in item.sides.items():
            assert side.loss.point == pytest.approx(
                float(TRUTHS[name].frontier(np.array(item.C))), rel=0.02
            )
            spent = 6 * TRUTHS[name].flops * side.N.point * side.D.point
            assert spent == pytest.approx(item.C, rel=0.01)
    inside = pairs["cnn", "resnet"]
    assert inside.q05 < crossing(TRUTHS["cnn"], TRUTHS["resnet"], 1e6, 1e20) < inside.q95
    assert "inside the data of both" in str(inside)
    assert inside.decades == 0
    assert "below the least run of cnn" in str(pairs["mlp", "cnn"])


@pytest.mark.parametrize("noise", [0.004, 0.02])
def test_a_crossing_far_beyond_the_data_says_so_and_is_wide(noise: float) -> None:
    late = replace(TRUTHS["resnet"], B=50.0)
    truth = crossing(TRUTHS["cnn"], late, 1e6, 1e20)
    table = vision_table({"cnn": TRUTHS["cnn"], "resnet": late}, noise=noise)
    small = table[truth / 60 > table.C]
    (item,) = crossings(fit_by("chinchilla", small, draws=200))
    assert (item.first, item.then) == ("cnn", "resnet")
    assert item.C is not None
    largest = min(float(rows.C.max()) for _, rows in small.groupby("family"))
    assert item.decades == pytest.approx(np.log10(item.C / largest), abs=0.01)
    assert item.decades > 1.5
    assert "decades beyond the largest run of cnn" in str(item)
    assert item.q05 < truth < item.q95
    assert item.q95 / item.q05 > 3
    assert item.open_high == (noise == 0.02)  # some of its draws say that they never cross
    assert ("beyond" in str(item).split("]")[0]) == item.open_high


def test_no_crossing_is_said() -> None:
    worse = replace(TRUTHS["cnn"], E=0.5, A=15.0)
    (item,) = crossings(
        fit_by("chinchilla", vision_table({"cnn": TRUTHS["cnn"], "worse": worse}), draws=200)
    )
    assert (item.then, item.C) == ("cnn", None)
    assert item.always_ahead > 0.95
    assert item.open_low
    assert not item.sides
    assert "no crossing within" in str(item)


def test_families_of_one_law_cannot_be_told_apart() -> None:
    twins = {"one": TRUTHS["cnn"], "two": TRUTHS["cnn"]}
    told = [
        crossings(fit_by("chinchilla", vision_table(twins, noise=0.03, seed=seed), draws=100))[0]
        for seed in range(4)
    ]
    # at each C a pair of equals is told apart in one of ten tables, and there are many C
    assert sum(item.told_apart for item in told) <= 2
    assert any("cannot be told apart" in str(item) for item in told)


def test_the_same_runs_under_two_names_are_even(table: pd.DataFrame) -> None:
    cnn = table[table.family == "cnn"]
    (item,) = crossings(
        fit_by("chinchilla", pd.concat([cnn, cnn.assign(family="same")]), draws=100)
    )
    assert not item.told_apart
    assert item.C is None  # frontiers that lie upon each other do not cross
    assert "cannot be told apart" in str(item)


@settings(max_examples=5, deadline=None)
@given(alpha=st.floats(0.3, 0.5), beta=st.floats(0.3, 0.5), lift=st.floats(0.05, 0.2))
def test_swapping_names_swaps_nothing_else(alpha: float, beta: float, lift: float) -> None:
    other = Truth(TRUTHS["cnn"].E - lift, 40.0, alpha, 60.0, beta, 2.0)
    one = vision_table({"a": TRUTHS["cnn"], "b": other}, sizes=4)
    swapped = one.assign(family=one.family.map({"a": "z", "b": "b"}))
    (x,) = crossings(fit_by("chinchilla", one, draws=20))
    (y,) = crossings(fit_by("chinchilla", swapped, draws=20))
    assert x.C == y.C
    assert x.then.replace("a", "z") == y.then
    assert x.first.replace("a", "z") == y.first


def test_who_wins_at_a_budget(found: Groups) -> None:
    told = {(item.C, item.group): item for item in standings(found, [1e9, 1e14])}
    assert told[1e9, "cnn"].best > 0.99
    assert told[1e14, "resnet"].best > 0.99
    for C in (1e9, 1e14):
        assert sum(told[C, name].best for name in found.names) == pytest.approx(1)
    assert told[1e14, "mlp"].decades == pytest.approx(np.log10(1e14 / 3.24e12), abs=0.01)
    with pytest.raises(InputError, match=r"compute = -1"):
        standings(found, [-1.0])


def test_what_d_is_where_data_were_seen_more_than_once(table: pd.DataFrame) -> None:
    told = fit_by("chinchilla", table, draws=20).notes
    assert len(told) == 1
    assert "10 passes over its D_unique distinct images" in told[0]
    rounded = fit_by("chinchilla", table.assign(D=1.01**table.seed * table.D), draws=20).notes
    assert "10 to 10.1 passes" in rounded[0]
    mixed = table.assign(D_unique=table.D / np.where(table.seed == 0, 1, 4))
    assert "1 to 4 passes" in fit_by("chinchilla", mixed, draws=20).notes[0]
    assert fit_by("chinchilla", table.assign(D_unique=table.D), draws=20).notes == ()


def test_bad_groups(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="no column kind to group by; it has run, family"):
        fit_by("chinchilla", table, "kind")
    with pytest.raises(InputError, match="1 group that can be fitted, of cnn; two are needed"):
        fit_by("chinchilla", table, where="family == 'cnn'")
    few = pd.concat([table[table.family == "cnn"], table[table.family == "mlp"].head(4)])
    with pytest.raises(InputError, match=r"of cnn, mlp; two are needed \(.*family mlp.*too few"):
        fit_by("chinchilla", few)
    with pytest.raises(InputError, match="L_kind mixes nats_per_image and nats_per_token"):
        fit_by(
            "chinchilla",
            table.assign(
                L_kind=np.where(table.family == "cnn", "nats_per_image", "nats_per_token")
            ),
        )
    with pytest.raises(InputError, match="groups are set side by side by laws of N and D"):
        fit_by("E + A/N**alpha", table)
    with pytest.raises(InputError, match=r"reach = 0.5"):
        crossings(fit_by("chinchilla", table, draws=20), reach=0.5)


def test_error_beside_loss(table: pd.DataFrame) -> None:
    views = side_by_side("chinchilla", table, draws=20)
    assert [view.groups.kinds["L_kind"] for view in views] == ["nats_per_image", "top1_error"]
    bare = side_by_side("chinchilla", table.drop(columns="top1_error"), draws=20)
    assert len(bare) == 1
    never_wrong = table.assign(top1_error=0.0)
    (alone,) = side_by_side("chinchilla", never_wrong, draws=20)
    assert "no top1_error beside" in alone.groups.refused[0]


def test_rows_without_a_group_are_accounted_for(table: pd.DataFrame) -> None:
    some = table.assign(family=table.family.where(table.N > 1e4))
    told = fit_by("chinchilla", some, draws=20).left_out
    assert [str(item) for item in told] == ["30 rows left out: family is empty"]


def test_what_is_known_of_tokens_is_not_said_of_images(table: pd.DataFrame) -> None:
    rows = rows_of(table, where="family == 'cnn'")
    assert "twenty" not in by_rules(rows, 1e12)
    assert default(rows)[0].name == "chinchilla_tied"
    tokens = rows_of(table.assign(D_kind="tokens"), where="family == 'cnn'")
    assert "twenty" in by_rules(tokens, 1e12)


@pytest.fixture(scope="module")
def table_file(tmp_path_factory: pytest.TempPathFactory, table: pd.DataFrame) -> Path:
    path = tmp_path_factory.mktemp("groups") / "vision.parquet"
    write_table(table[table.family != "mlp"], path)
    return path


def run(*args: object) -> str:
    result = CliRunner().invoke(app, [*map(str, args)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return re.sub(r"\s+", " ", result.output)


def test_the_command_crossing(table_file: Path, tmp_path: Path) -> None:
    figure = tmp_path / "families.svg"
    output = run("crossing", table_file, "--draws", 50, "--compute", "1T", "--plot", figure)
    assert "resnet passes below cnn at C = " in output
    assert "D counts images" in output
    assert "L is held-out loss (nats per image)" in output
    assert "10 passes" in output
    drawn = figure.read_text()
    for text in ("Top-1 error", "Held-out loss (nats per image)", "Training images"):
        assert text in drawn
    run("plot", "families", table_file, "--draws", 20, "--where", "N < 5e5", "-o", figure)
    assert "resnet below cnn" in figure.read_text()
    data = json.loads(run("crossing", table_file, "--draws", 50, "--json", "--columns",
                          "L=top1_error"))  # fmt: skip
    assert data["conventions"]["L_kind"] == "top1_error"
    assert data["crossings"][0]["then"] == "resnet"
    assert set(data["parameters"]["alpha"]) == {"cnn", "resnet"}


def test_commands_say_what_d_and_l_are(table_file: Path) -> None:
    where = ("--where", "family == 'cnn'", "--draws", 20)
    told = run("forecast", table_file, *where, "--compute", "1e13", "--columns", "L=top1_error",
               "--no-rollouts")  # fmt: skip
    assert "images per parameter" in told
    assert "Top-1 error 0." in told
    assert "token" not in told.replace("not tokens", "")
    told = run("forecast", table_file, *where, "--compute", "1e13", "--no-rollouts")
    assert "nats per image" in told
    told = run("fit", table_file, *where, "--columns", "L=recall_at_1")
    assert "loss is one_minus_recall_at_1" in told
    assert "D counts images" in told
    told = run("rollout", table_file, *where, "--columns", "L=top5_error")
    assert "loss is top5_error" in told
    told = run("plot", "slices", table_file, *where, "--columns", "L=top1_error", "-o",
               table_file.with_suffix(".svg"))  # fmt: skip
    drawn = table_file.with_suffix(".svg").read_text()
    assert "Top-1 error" in drawn
    assert "Training images" in drawn
    assert "token" not in drawn


def test_active_parameters_can_be_what_n_counts(table: pd.DataFrame) -> None:
    sparse = table[table.family == "cnn"].assign(N=lambda df: 8 * df.N_active, family="moe")
    fitted = fit("chinchilla", sparse, N="N_active", draws=0)
    assert fitted.conventions["N_kind"] == "active"
    assert fitted.points["N"].max() == table.N_active.max()
    assert fit("chinchilla", sparse, draws=0).points["N"].max() == 8 * table.N_active.max()


@pytest.mark.slow
def test_nine_intervals_in_ten_hold_the_crossing() -> None:
    two = {name: TRUTHS[name] for name in ("cnn", "resnet")}
    truth = crossing(two["cnn"], two["resnet"], 1e6, 1e20)
    tables, held = 60, 0
    for seed in range(tables):
        table = vision_table(two, noise=0.01, seed=seed)
        (item,) = crossings(fit_by("chinchilla", table, draws=300))
        held += item.q05 <= truth <= item.q95
    print(f"{held} of {tables} intervals hold the crossing")
    assert held / tables >= 0.8  # of 60 intervals that hold nine times in ten, seldom fewer
