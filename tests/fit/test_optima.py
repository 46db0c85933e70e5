"""Optima of sweeps: found where they are, honest at the ends, and their laws with intervals."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling import cli
from scaling.errors import InputError
from scaling.fit.optima import optima
from scaling.fit.rate_laws import rate_laws
from scaling.table import write_table

RATES = 0.004 * 2.0 ** np.arange(6)


def best_rate(N: float, D: float, batch: float = 1024.0) -> float:
    """The truth of these tables: Step Law's form, and a rate that grows with the batch."""
    return float(0.02 * (N / 1e5) ** -0.3 * (D / 1e6) ** 0.1 * (batch / 1024) ** 0.5)


def best_batch(D: float) -> float:
    return float(1024 * (D / 1e6) ** 0.5)


def sweep(
    *,
    noise: float = 0.0,
    seeds: int = 1,
    rates: Any = RATES,
    batches: Any = (),
    sizes: Any = (3e4, 1e5, 3e5),
    lengths: Any = (0.5e6, 1e6, 2e6),
    seed: int = 0,
) -> pd.DataFrame:
    """ln loss is a parabola in ln rate (.05 of curvature), and in ln batch (.02)."""
    rng = np.random.default_rng(seed)
    rows = []
    for N in sizes:
        for D in lengths:
            for batch in batches or (1024.0,):
                for rate in rates:
                    for run in range(seeds):
                        log = np.log(2 + (1e4 / N) ** 0.3 + (1e5 / D) ** 0.3)
                        log += 0.05 * np.log(rate / best_rate(N, D, batch)) ** 2
                        log += 0.02 * np.log(batch / best_batch(D)) ** 2 if batches else 0.0
                        loss = np.exp(log + noise * rng.normal())
                        row = {"N": N, "D": D, "learning_rate": rate, "loss": loss, "seed": run}
                        rows.append(row | ({"batch_tokens": batch} if batches else {}))
    return pd.DataFrame(rows)


def test_a_parabola_is_found_and_what_a_factor_of_two_costs() -> None:
    found = optima(sweep(), draws=20)
    assert len(found.found) == 9
    for item in found.found:
        N, D = item.sweep.at["N"], item.sweep.at["D"]
        assert item.rate.known
        assert item.batch is None
        assert item.rate.value == pytest.approx(best_rate(N, D), rel=1e-9)
        # Interpolated between points a factor of 2 apart; the parabola says .05 ln(2)^2 = .0240.
        known = [c for c in item.rate.twofold if np.isfinite(c)]
        assert known == pytest.approx([0.024] * len(known), abs=0.006)
    law = rate_laws(found).fits[0]
    assert law.law.name == "lr_of_size_and_tokens"
    assert law.params["a"] == pytest.approx(-0.3, abs=1e-6)
    assert law.params["b"] == pytest.approx(0.1, abs=1e-6)


def test_rate_and_batch_are_found_together() -> None:
    table = sweep(batches=(256.0, 512.0, 1024.0, 2048.0, 4096.0))
    found = optima(table, draws=20)
    for item in found.found:
        N, D = item.sweep.at["N"], item.sweep.at["D"]
        assert item.batch is not None
        assert item.batch.value == pytest.approx(best_batch(D), rel=1e-6)
        assert item.rate.value == pytest.approx(best_rate(N, D, best_batch(D)), rel=1e-6)
        for batch, best in item.by_batch:
            assert not best.known or best.value == pytest.approx(best_rate(N, D, batch), rel=1e-6)
    laws = {fit.law.name: fit for fit in rate_laws(found).fits}
    assert list(laws["lr_at_batch"].params.values())[1:] == pytest.approx([-0.3, 0.1, 0.5])
    assert laws["batch_of_tokens"].params["a"] == pytest.approx(0.5, abs=1e-6)
    assert laws["lr_of_size_and_tokens"].params["b"] == pytest.approx(0.35, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(54)), st.floats(0.1, 10.0))
def test_neither_order_of_rows_nor_units_change_an_optimum(order: list[int], unit: float) -> None:
    table = sweep(noise=0.01)
    moved = table.iloc[order].assign(learning_rate=lambda t: t["learning_rate"] * unit)
    for one, two in zip(optima(table, draws=2).found, optima(moved, draws=2).found, strict=True):
        assert two.rate.value == pytest.approx(unit * one.rate.value, rel=1e-9)
        assert two.rate.bound == one.rate.bound


def test_an_optimum_at_the_end_of_its_sweep_is_a_bound_and_enters_no_law() -> None:
    low = optima(sweep(rates=RATES[3:]), draws=20)  # the best rates lie below
    for item in low.found:
        if best_rate(item.sweep.at["N"], item.sweep.at["D"]) < RATES[3]:
            assert item.rate.bound == "at most"
            assert item.rate.value == pytest.approx(RATES[3])
            assert item.rate.interval()[0] == 0
    high = optima(sweep(rates=RATES[:2], lengths=(2e6,)).pipe(_more), draws=20)
    assert {item.rate.bound for item in high.found} == {"at least"}
    assert high.best("learning_rate")[1] == []
    told = rate_laws(high)
    assert not told.fits
    assert "of learning_rate 0 are known" in told.refused[1]


def _more(table: pd.DataFrame) -> pd.DataFrame:
    """A third, lower rate, so that there is a sweep at all."""
    below = table[table["learning_rate"] == RATES[0]].assign(learning_rate=RATES[0] / 2)
    return pd.concat([below.assign(loss=below["loss"] * 1.1), table], ignore_index=True)


def test_runs_that_diverge_bound_the_optimum_from_above() -> None:
    table = sweep(sizes=(1e5,), lengths=(1e6,))  # best at .02, between .016 and .032
    table["status"] = np.where(table["learning_rate"] > 0.02, "diverged", "finished")
    table.loc[table["status"] == "diverged", "loss"] = np.nan
    (item,) = optima(table, draws=50).found
    assert item.sweep.diverged == 3
    assert item.rate.bound == ""
    assert 0.008 < item.rate.value < 0.032
    # Without the diverged runs the best rate is the last, and its optimum may lie anywhere above.
    (alone,) = optima(table[table["status"] == "finished"], draws=50).found
    assert alone.rate.bound == "at least"


def test_a_rate_at_a_batch_that_is_a_bound_is_no_optimum() -> None:
    found = optima(sweep(batches=(4096.0, 8192.0, 16384.0)), draws=20)  # the best are below
    assert all(item.batch and item.batch.bound == "at most" for item in found.found)
    told = rate_laws(found)
    assert [fit.law.name for fit in told.fits] == ["lr_at_batch"]
    assert len(told.refused) == 5


def test_a_seed_that_diverges_makes_its_rate_unfit() -> None:
    table = sweep(seeds=2, sizes=(1e5,), lengths=(1e6,), noise=0.001)
    table["status"] = "finished"
    wild = (table["learning_rate"] == RATES[-1]) & (table["seed"] == 1)
    table.loc[wild, ["status", "loss"]] = ["diverged", np.nan]
    (item,) = optima(table, draws=50).found
    assert np.isnan(item.sweep.loss[-1])
    assert item.rate.value == pytest.approx(0.02, rel=0.05)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    inside, of_law = [], []
    for seed in range(30):
        found = optima(sweep(noise=0.004, seeds=2, seed=seed), draws=200, seed=seed)
        for item in found.found:
            low, high = item.rate.interval()
            inside.append(low <= best_rate(item.sweep.at["N"], item.sweep.at["D"]) <= high)
        low, high = rate_laws(found, names=["lr_of_size_and_tokens"]).fits[0].interval("a")
        of_law.append(low <= -0.3 <= high)
    assert 0.84 < np.mean(inside) < 0.96
    assert np.mean(of_law) > 0.75  # of 30: .75 is 2.7 standard errors below .9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transfer": ["mup", "none"] * 27}, r"differ in transfer \(mup, none\).*--where \"transf"),
        ({"recipe": ['{"clip":0.0}', '{"clip":1.0}'] * 27}, r"differ in clip \(0\.0, 1\.0\)"),
        ({"learning_rate": 0.01}, "no size and length with 3 learning rates"),
        ({"learning_rate": [0.0] + [0.01] * 53}, "learning_rate is zero or negative in row 1"),
    ],
)
def test_tables_that_are_no_sweep_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        optima(sweep().assign(**change))


def test_a_recipe_tells_the_batch_and_what_to_filter_by() -> None:
    table = sweep(batches=(512.0, 1024.0, 2048.0))
    told = [json.dumps({"batch_tokens": int(b), "clip": 1.0}) for b in table["batch_tokens"]]
    plain = table.drop(columns="batch_tokens").assign(recipe=told)
    assert optima(plain, draws=2, where="clip == 1").found[0].batch is not None


def test_a_law_of_losses_is_no_law_of_rates() -> None:
    with pytest.raises(InputError, match=r"chinchilla is of loss, not of learning rates.*lr_of_s"):
        rate_laws(optima(sweep(), draws=2), names=["chinchilla"])


def test_the_released_sweep_leads_near_the_published_exponents(shared_data: Path) -> None:
    """Step Law's exponents (arXiv:2503.04715): -.713 of N, .307 of D; the batch's, .571 of D."""
    table = pd.read_csv(shared_data / "steplaw_dense.csv")
    table["loss"] = table["smooth_loss"]
    found = optima(table.rename(columns={"lr": "learning_rate", "bs_tokens": "batch_tokens"}))
    laws = {fit.law.name: fit for fit in rate_laws(found).fits}
    for law, name, published in (
        ("lr_of_size_and_tokens", "a", -0.713),
        ("lr_of_size_and_tokens", "b", 0.307),
        ("batch_of_tokens", "a", 0.571),
    ):
        low, high = laws[law].interval(name)
        assert low < published < high
        assert high - low < 0.25
    # By compute alone the optima scatter far more, and no power of the batch holds over all of it.
    assert next(iter(laws)) == "lr_of_size_and_tokens"


def test_the_command_prints_and_saves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(sweep(noise=0.002, batches=(512.0, 1024.0, 2048.0)), tmp_path / "table.csv")
    words = ["rates", tmp_path / "table.csv", "--draws", 100, "--save", tmp_path / "law.json"]
    for extra in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["scaling", *map(str, words), *extra])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        out = capsys.readouterr().out
        assert ("lr_of_size_and_tokens: learning_rate = k*N^a*D^b; k = " in out) == (not extra)
    told = json.loads(out)
    assert len(told["optima"]) == 9
    assert {law["law"] for law in told["laws"]} >= {"lr_of_size_and_tokens", "batch_of_tokens"}
    assert json.loads((tmp_path / "law.json").read_text())["fits"][0]["points"]["N"]
