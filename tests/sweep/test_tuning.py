"""Successive halving over learning rates: what it tries, finds, says, and keeps."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from scaling.cli import app
from scaling.data import Corpus, load
from scaling.errors import InputError
from scaling.grid import Cell, Grid, Rung, Tune, parse_grid, plan, rungs, to_tune
from scaling.planned import plan_study
from scaling.report.read import read_study
from scaling.study import run_study
from scaling.sweep import tuning
from scaling.sweep.executors.debug import Debug
from scaling.sweep.tuning import Answer, halve
from scaling.sweep.work import Trained

BEST = 0.012


@pytest.fixture(scope="module")
def corpus(grid: Grid, cache: Path) -> Corpus:
    return load(grid.data.source, held_out=grid.data.held_out, cache=cache / "data")


@pytest.fixture(scope="module")
def tune(grid_text: str, corpus: Corpus) -> Callable[..., list[Rung]]:
    """The rungs of the tiny grid, whose learning rate is to be tuned."""

    def of(train: str = "", table: str = "", more: str = "") -> list[Rung]:
        grid = to_be_tuned(grid_text, train, table, more)
        return rungs(to_tune(grid, corpus), grid.tune)

    return of


def to_be_tuned(grid_text: str, train: str = "", table: str = "", more: str = "") -> Grid:
    text = grid_text.replace("[train]", f'[train]\nlearning_rate = "tune"\n{train}')
    return parse_grid(f"{text}{more}\n[tune]\n{table}")


def parabola(best: float, noise: float = 0.0, wall: float = math.inf) -> tuning.Losses:
    """Losses whose logarithm is a parabola in ln rate, higher for shorter runs; the noise of each
    run is its own, and the same whenever it is asked for."""

    def of(cells: list[Cell]) -> Mapping[str, float]:
        found = {}
        for cell in cells:
            rate = cell.recipe.learning_rate
            number = int(hashlib.sha256(cell.id.encode()).hexdigest()[:8], 16)
            scatter = noise * np.random.default_rng(number).normal()
            level = 0.02 * math.log(rate / best) ** 2 + 1 / cell.steps
            found[cell.id] = 2 * math.exp(level + scatter) if rate < wall else math.inf
        return found

    return of


def found(rung: Rung, losses: tuning.Losses) -> Answer:
    return tuning.answer(rung, halve(rung, losses), losses)


def test_rounds_halve_and_the_parabola_is_found(tune: Callable[..., list[Rung]]) -> None:
    (rung,) = tune()
    assert rung.cell.shape.to_dict()["width"] == 8  # the smallest
    rounds = halve(rung, parabola(0.014))
    assert [len(done.rates) for done in rounds] == [7, 3]
    assert [len(done.cells) for done in rounds] == [7, 6]  # two seeds in the last
    first, last = (done.cells[0].steps for done in rounds)
    assert last == 128  # the longer one of two lengths: the median, rounded up
    assert first * 3 == pytest.approx(last, abs=3 * 16)
    answer = found(rung, parabola(0.014))
    assert answer.rate == 0.014
    assert not answer.bound
    assert {cell.role for done in rounds for cell in done.cells} == {"tuning"}
    assert {cell.seed for cell in rounds[-1].cells} == {1000, 1001}


@settings(deadline=None, max_examples=20)
@given(st.floats(0.003, 0.05), st.integers(2, 1000))
def test_noise_widens_the_interval_around_the_truth(
    tune: Callable[..., list[Rung]], best: float, seed: int
) -> None:
    (rung,) = tune(table=f"seeds = [{seed}, {seed + 1}, {seed + 2}]")
    answer = found(rung, parabola(best, noise=0.002))
    assert answer.rate == pytest.approx(best, rel=0.5)
    if answer.q05 is not None and answer.q95 is not None:
        assert answer.q05 < answer.rate < answer.q95


def test_intervals_have_two_ends_and_hold_nine_times_of_ten(
    tune: Callable[..., list[Rung]],
) -> None:
    """Where a run's noise is .3 % of its loss, and half or twice the best rate cost 1 %."""
    bests, tries, closed, held = np.geomspace(0.004, 0.04, 100), [], 0, 0
    (one,) = tune()
    for number, best in enumerate(bests):
        rung = replace(one, spec=Tune(seeds=[2 * number + 100, 2 * number + 101]))
        answer = found(rung, parabola(best, noise=0.003))
        tries.append(len(answer.rounds[-1]["rates"]))
        if answer.q05 is not None and answer.q95 is not None:
            closed += 1
            held += answer.q05 <= best <= answer.q95
    assert closed >= 95
    assert 0.84 <= held / closed <= 0.98
    assert max(tries) <= 6
    assert np.mean(tries) < 4  # a rate more where three leave the interval open


@pytest.mark.parametrize(("best", "side"), [(0.0006, -1), (0.3, 1)])
def test_a_best_rate_at_an_end_is_sought_beyond(
    tune: Callable[..., list[Rung]], best: float, side: int
) -> None:
    (rung,) = tune()
    end = rung.rates[0] if side < 0 else rung.rates[-1]
    assert (best - end) * side > 0
    answer = found(rung, parabola(best))
    assert answer.rate == pytest.approx(best, rel=0.01)
    assert not answer.bound


def test_the_range_grows_no_further_than_it_may(tune: Callable[..., list[Rung]]) -> None:
    (rung,) = tune()
    rounds = halve(rung, parabola(1e-6))
    assert len(rounds[0].rates) == 7 + tuning.GROWS
    answer = found(rung, parabola(1e-6))
    assert answer.rate == pytest.approx(0.0015 / 8)
    assert answer.bound == "at most"
    assert "the best is at most that, where the range of rates ended" in answer.told()


def test_diverged_rates_are_a_wall(tune: Callable[..., list[Rung]]) -> None:
    (rung,) = tune()
    answer = found(rung, parabola(0.02, wall=0.03))
    assert 0.012 <= answer.rate < 0.03
    assert None in answer.rounds[0]["losses"]
    with pytest.raises(InputError, match=r"diverged at every learning rate from 0.000188 to 0.096"):
        halve(rung, parabola(0.02, wall=0.0))


def test_three_rates_go_on_wherever_the_best_is(tune: Callable[..., list[Rung]]) -> None:
    (rung,) = tune(table="rates = [0.001, 0.01, 0.1]\nrounds = 3\nkeep = 0.5")
    lengths = [steps // 16 for steps in rung.lengths]
    assert lengths == [2, 4, 8]
    assert [len(done.rates) for done in halve(rung, parabola(0.01))] == [3, 3, 3]


def test_rounds_too_short_to_tell_are_left_out(tune: Callable[..., list[Rung]]) -> None:
    (rung,) = tune(table="rounds = 5")
    assert [steps // 16 for steps in rung.lengths] == [3, 8]
    with pytest.raises(InputError, match="give \\[tune\\] a budget of 4,096 or more"):
        tune(table="budget = 256\nrounds = 1")


def test_what_cannot_be_tuned_is_refused(tune: Callable[..., list[Rung]]) -> None:
    with pytest.raises(InputError, match='with transfer = "none" the best rate of others'):
        tune(train='transfer = "none"')
    alone = "\n[[targets]]\nwidths = [32]\ntokens = [16384]\ntrain = { weight_decay = 0.5 }\n"
    with pytest.raises(InputError, match="a target is never trained before its forecast"):
        tune(more=alone)
    with pytest.raises(InputError, match="finds the best rate of one batch"):
        tune(train='batch = "law"\nbatch_law = "x.json"')
    with pytest.raises(InputError, match=r"tune.ratez: unknown key; did you mean 'rates'\?"):
        tune(table="ratez = [1, 2, 3]")
    with pytest.raises(InputError, match=r"seeds = \[0, 7\]: 0 is a seed of the study's own"):
        tune(table="seeds = [0, 7]")
    with pytest.raises(InputError, match="rates: each is given once"):
        tune(table="rates = [0.01, 0.01, 0.1]")


def test_each_model_and_recipe_has_a_rate_of_its_own(tune: Callable[..., list[Rung]]) -> None:
    other = "\n[[pilots]]\nwidths = [8]\ntokens = [16384]\ntrain = { weight_decay = 0.5 }\n"
    given_rate = "\n[[pilots]]\nwidths = [4]\ntokens = [16384]\nlearning_rates = [0.1]\n"
    found = tune(more=other + given_rate)
    assert [rung.cell.recipe.weight_decay for rung in found] == [0.1, 0.5]


def test_a_plan_takes_the_rates_that_were_found(grid_text: str, corpus: Corpus) -> None:
    grid = to_be_tuned(grid_text)
    before = plan(grid, corpus)
    assert {cell.recipe.learning_rate for cell in before} == {0.012}
    assert all("for now" in cell.told[0] for cell in before)
    (rung,) = rungs(to_tune(grid, corpus), grid.tune)
    answer = found(rung, parabola(0.02))
    cells = plan(grid, corpus, tuned=tuning.tuned([answer], [rung]))
    assert {cell.recipe.learning_rate for cell in cells} == {0.02}
    assert "tuned at N" in cells[0].told[0]
    assert '"tune"' not in cells[0].facts()["recipe"]
    # As if the number had been given: identity knows nothing of how it was found.
    number = parse_grid(grid_text.replace("[train]", "[train]\nlearning_rate = 0.02"))
    assert [cell.id for cell in cells] == [cell.id for cell in plan(number, corpus)]
    with pytest.raises(InputError, match=r"tune.json holds the rates of another version"):
        plan(grid, corpus, tuned=tuning.tuned([replace(answer, data="others")], [rung]))


def test_a_plan_counts_the_tuning(tune: Callable[..., list[Rung]]) -> None:
    (rung,) = tune()
    assert [len(cells) for cells in tuning.provisional(rung)] == [7, 6]


def test_what_was_found_is_kept_once(tune: Callable[..., list[Rung]], tmp_path: Path) -> None:
    (rung,) = tune()
    assert tuning.kept(tmp_path) is None
    answer = found(rung, parabola(0.014, noise=0.002))
    tuning.keep(tmp_path, [answer])
    tuning.keep(tmp_path, [replace(answer, rate=1.0)])  # another driver's, too late
    assert tuning.kept(tmp_path) == [answer]
    rounds = halve(rung, parabola(0.014, noise=0.002))
    assert tuning.trained([answer], [rung]) == [done.cells for done in rounds]


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other"}', '{"answers": [{"rate": 1}]}'])
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tune.json").write_text(text)
    with pytest.raises(InputError, match=r"tune.json: (its format|not what tuning writes)"):
        tuning.kept(tmp_path)


def test_the_file_is_plain_json(tune: Callable[..., list[Rung]], tmp_path: Path) -> None:
    (rung,) = tune()
    tuning.keep(tmp_path, [found(rung, parabola(0.02, wall=0.03))])
    told = json.loads((tmp_path / "tune.json").read_text(), parse_constant=pytest.fail)
    assert told["answers"][0]["rounds"][0]["losses"][-1] is None


class Watched:
    """A display that counts what is trained, and stops it at a cell."""

    def __init__(self, stop_at: int = 0) -> None:
        self.trained: list[str] = []
        self.stop_at = stop_at

    @contextmanager
    def __call__(self, title: str, cells: list[Cell], known: Any) -> Iterator[Any]:
        assert {cell.id for cell in cells} <= set(known)

        def on_event(event: Trained) -> None:
            if event.record is not None:
                self.trained.append(title)
                if len(self.trained) == self.stop_at:
                    raise KeyboardInterrupt

        yield on_event


def test_a_study_is_tuned_once_however_often_it_is_begun(
    grid_text: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(cache))
    path, folder = tmp_path / "grid.toml", tmp_path / "out"
    table = "rates = [0.006, 0.012, 0.024]\nrounds = 1\nseeds = [7]\nbudget = 4096"
    text = grid_text.replace("[train]", '[train]\nlearning_rate = "tune"')
    text = text.replace("seeds = [0, 1]", "").replace("widths = [8, 16]", "widths = [8]")
    path.write_text(f"{text}\n[tune]\n{table}\n")
    planned = plan_study(path, measure=False)
    assert len(planned.rungs) == 1
    assert [len(cells) for cells in planned.tuning] == [3]

    def run(show: Watched) -> pd.DataFrame:
        return run_study(planned, path, folder, start=Debug, show=show)

    interrupted = Watched(stop_at=2)
    with pytest.raises(KeyboardInterrupt):
        run(interrupted)
    assert tuning.kept(folder) is None
    resumed = Watched()
    found = run(resumed)
    (answer,) = tuning.kept(folder) or ()
    tried = sum(len(done["rates"]) for done in answer.rounds)
    assert [*interrupted.trained, *resumed.trained] == ["tuning"] * tried + ["pilots"] * 2
    # In the table are the study's own cells alone, at the rate that was found.
    assert set(found["role"]) == {"pilot"}
    assert set(found["learning_rate"]) == {answer.rate}
    assert len(found) == 2
    assert len(list((folder / "cells").iterdir())) == tried + 2
    study = read_study(folder)
    assert len(study.planned) == len(study.records) == study.health.planned == 2
    assert study.tuned == [f"transformer: {answer.told()}"]
    again = Watched()
    assert run(again).equals(found)
    assert not again.trained
    assert planned.at_rates(folder).cells[0].id == found["run"][0]


def test_scaling_plan_tells_what_is_known_of_the_rate(
    grid_text: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(cache))
    path, folder = tmp_path / "grid.toml", tmp_path / "out"
    path.write_text(grid_text.replace("[train]", '[train]\nlearning_rate = "tune"'))

    def told() -> str:
        done = CliRunner().invoke(app, ["plan", str(path), "--no-calibrate", "--out", str(folder)])
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    before = told()
    assert "8 cells: learning_rate 0.012 for now: it is to be tuned" in before
    assert "tuning 1 7 7" in before
    assert "tuning 2 6 6" in before
    planned = plan_study(path, measure=False)
    (rung,) = planned.rungs
    tuning.keep(folder, [found(rung, parabola(0.02))])
    after = told()
    assert "8 cells: learning_rate 0.02 (90 %: from 0.02 up to 0.02), tuned at N" in after
    assert planned.cells[0].id not in after
