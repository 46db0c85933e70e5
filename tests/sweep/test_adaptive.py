"""Adaptive runs: which pilots, in which order, when they stop, what they cost, and resuming."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from scaling.adaptive import Asked
from scaling.cli import app
from scaling.errors import InputError
from scaling.grid import Cell, Grid
from scaling.planned import Planned, plan_study
from scaling.study import prove, run_study
from scaling.sweep.executors.contract import Call
from scaling.sweep.executors.debug import Debug
from scaling.sweep.planning.budget import Budget, Tally, rates
from scaling.sweep.planning.plan import costs
from scaling.sweep.rounds import FILE, SEED_LENGTHS, SEED_SIZES, kept, seed_of
from scaling.sweep.run import train
from scaling.sweep.storing.store import Store

LADDER = """
name = "ladder"
[data]
source = "{source}"
held_out = 0.2
eval_tokens = 4096
[model]
context = 16
depth = 1
[train]
batch_tokens = 128
base_width = 8
[[pilots]]
widths = [8, 12, 16, 20, 24, 32]
tokens = [8192, 16384, 65536]
[[targets]]
widths = [96]
tokens = [262144]
[proof]
draws = 40
"""
TRUTH = {"E": 1.2, "A": 40.0, "B": 300.0, "alpha": 0.35, "beta": 0.4}
CURVE = pd.DataFrame({"step": [16], "tokens": [2048], "loss": [2.0]})


class Lawful(Debug):
    """Trains nothing: the loss of a cell follows a law, with .3 % of noise of its own.

    stop_at: cells after which it is interrupted.
    """

    def __init__(self, folder: Path, stop_at: int = 10**6) -> None:
        self.store, self.left = Store(folder), stop_at
        self.rounds: list[list[Cell]] = []

    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        self.rounds.append([cell for call in calls for cell in call.args[0].cells])
        return [self.made(Call(self._work, call.args, call.needs)) for call in calls]

    def _work(self, order: Any) -> list[str]:
        for cell in order.cells:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            measured = {"loss": loss_of(cell), "loss_se": 0.01, "train_loss": 1.0, "seconds": 0.0}
            more = {"status": "finished", "reason": "", "steps": cell.steps, "trained_at": "now"}
            self.store.save(cell, {**cell.facts(), **measured, **more}, CURVE)
        return []


def loss_of(cell: Cell) -> float:
    p, N = TRUTH, cell.shape.N_total
    number = int(hashlib.sha256(cell.id.encode()).hexdigest()[:8], 16)
    exact = p["E"] + p["A"] / N ** p["alpha"] + p["B"] / cell.D ** p["beta"]
    return float(exact * np.exp(0.003 * np.random.default_rng(number).normal()))


@pytest.fixture(scope="module")
def ladder(grid_text: str, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of 18 pilots, each a size with three lengths on one trunk, and a target."""
    source = grid_text.partition('source = "')[2].partition('"')[0]
    path = tmp_path_factory.mktemp("adaptive") / "ladder.toml"
    path.write_text(LADDER.format(source=source))
    return path


@pytest.fixture(autouse=True)
def _cached(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(cache))


@pytest.fixture(scope="module")
def planned(ladder: Path, cache: Path) -> Planned:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALING_CACHE", str(cache))
        return plan_study(ladder, measure=False)


def whole(planned: Planned) -> float:
    """FLOPs of the study with every pilot."""
    return sum(cost.flops for cost in planned.known.values())


def target_flops(planned: Planned) -> float:
    return sum(planned.known[cell.id].flops for cell in planned.part("target"))


def run(
    planned: Planned, ladder: Path, folder: Path, asked: Asked, stop_at: int = 10**6
) -> tuple[Lawful, list[str]]:
    executor, told = Lawful(folder, stop_at), list[str]()
    run_study(planned, ladder, folder, start=lambda: executor, adapt=asked, tell=told.append)
    return executor, told


def flops(amount: float) -> Asked:
    return Asked(Budget(amount, "FLOPs"))


def test_the_seed_is_the_short_end_of_the_smallest_sizes(planned: Planned) -> None:
    pilots = planned.part("pilot")
    price = Tally(rates("FLOPs", {}, planned.on, None)).price
    chosen = seed_of(pilots, [], 6, price)
    seed = {(cell.shape.to_dict()["width"], cell.D) for cell in chosen}
    assert seed == {(w, D) for w in (8, 12, 16) for D in (8192, 16384, 65536)}
    assert len(seed) == len(chosen) == SEED_SIZES * SEED_LENGTHS
    # A law of more parameters: then the cheapest of what is left.
    (tenth,) = seed_of(pilots, [], 10, price)[9:]
    assert (tenth.shape.to_dict()["width"], tenth.D) == (20, 8192)


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_the_budget_is_never_exceeded_and_the_target_comes_last(
    planned: Planned, ladder: Path, tmp_path: Path, share: float
) -> None:
    pilots = whole(planned) - target_flops(planned)
    amount = target_flops(planned) + share * pilots
    executor, told = run(planned, ladder, tmp_path / "study", flops(amount))
    rounds = kept(tmp_path / "study")
    assert rounds[-1].flops + target_flops(planned) <= amount
    # As trained: what each call took, its trunk left where the call before it ended.
    tally = Tally(rates("FLOPs", {}, planned.on, None))
    for cells in executor.rounds[:-1]:
        tally.pay(cells)
    assert tally.spent == pytest.approx(rounds[-1].flops, rel=1e-12)
    assert [cell.role for cell in executor.rounds[-1]] == ["target"]
    assert len(rounds) > 2
    (verdict,) = prove(tmp_path / "study")
    assert verdict.truth is not None
    assert "set aside" in told[-1]
    ids = [run for one in rounds for run in one.cells]
    assert len(ids) == len(set(ids))
    assert rounds[1].table_sha256 is not None
    assert rounds[1].seen is not None


def test_it_stops_where_the_interval_is_as_narrow_as_asked(
    planned: Planned, ladder: Path, tmp_path: Path
) -> None:
    asked = Asked(width=0.2)
    _, told = run(planned, ladder, tmp_path / "study", asked)
    table = pd.read_parquet(tmp_path / "study" / "table.parquet")
    assert 9 < (table["role"] == "pilot").sum() < 18
    assert "that is as narrow as asked" in told[-1]
    # What it stopped at is what the proof then states, to the bit.
    (verdict,) = prove(tmp_path / "study")
    assert (verdict.q95 - verdict.q05) / verdict.forecast <= 0.2
    # Neither by the rule alone, which is sure of itself too early, nor by the design alone.
    widths = [(one.seen["width"], one.expected[0]) for one in kept(tmp_path / "study")[1:]]
    assert all(max(pair) > 0.2 for pair in widths)
    assert any(min(pair) <= 0.2 for pair in widths)
    assert f"{verdict.q05:.4g} to {verdict.q95:.4g}" in told[-1]


def test_interrupted_it_makes_the_same_choices(
    planned: Planned, ladder: Path, tmp_path: Path
) -> None:
    asked = flops(0.4 * target_flops(planned) + 0.6 * whole(planned))
    run(planned, ladder, tmp_path / "undisturbed", asked)
    folder = tmp_path / "interrupted"
    for stop_at in (4, 6, 2):
        with pytest.raises(KeyboardInterrupt):
            run(planned, ladder, folder, asked, stop_at)
    executor, _ = run(planned, ladder, folder, asked)
    for name in (FILE, "table.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    again, told = run(planned, ladder, folder, asked)
    assert not again.rounds
    assert "the forecast is written" in told[-1]
    assert executor.rounds


def test_a_larger_budget_goes_on_from_there(planned: Planned, ladder: Path, tmp_path: Path) -> None:
    free = planned.of(planned.grid.model_copy(update={"targets": []}))
    most = sum(cost.flops for cost in free.known.values())
    compute = 100 * max(cell.C for cell in free.cells)
    small, large = (Asked(Budget(share * most, "FLOPs"), compute=compute) for share in (0.35, 0.6))
    run(free, ladder, tmp_path / "study", small)
    first = kept(tmp_path / "study")
    run(free, ladder, tmp_path / "study", large)
    then = kept(tmp_path / "study")
    assert then[: len(first)] == first
    assert len(then) > len(first)
    assert then[0].target == compute


def test_what_was_trained_before_belongs_to_the_seed_and_is_counted(
    planned: Planned, ladder: Path, tmp_path: Path
) -> None:
    dear = max(planned.part("pilot"), key=lambda cell: cell.C)
    folder = tmp_path / "study"
    Store(folder).open(planned.grid, ladder.read_text(), {"cells": []})
    executor = Lawful(folder)
    train([dear], planned.grid.data, Store(folder), executor, timings={})
    run(planned, ladder, folder, flops(0.2 * target_flops(planned) + 0.8 * whole(planned)))
    assert dear.id in kept(folder)[0].cells
    tally = Tally(rates("FLOPs", {}, planned.on, None))
    by_id = {cell.id: cell for cell in planned.cells}
    assert kept(folder)[0].flops == tally.price([by_id[run] for run in kept(folder)[0].cells])


def test_a_round_costs_what_its_plan_does_and_a_shorter_cell_begins_anew(planned: Planned) -> None:
    pilots = planned.part("pilot")
    tally = Tally(rates("FLOPs", {}, planned.on, None))
    assert tally.price(pilots) == sum(cost.flops for cost in costs(pilots, {}).values())
    trunk = sorted((c for c in pilots if c.trunk == pilots[0].trunk), key=lambda c: c.steps)
    first, second, third = trunk
    step = first.batch * first.shape.training_flops()

    def branch(cell: Cell) -> int:
        return cell.steps - cell.cool_steps

    tally.pay([second])
    assert tally.spent == second.steps * step
    longer = branch(third) - branch(second) + third.cool_steps
    assert tally.price([third]) == longer * step
    assert tally.price([first]) == first.steps * step
    # With a shorter one beside it, the trunk begins anew for both.
    both = branch(third) + first.cool_steps + third.cool_steps
    assert tally.price([first, third]) == both * step


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        ((), {"width": 1.5}, "--width 1.5: valid is a share of the loss"),
        ((), {}, "needs --budget or --width"),
        ((), {"budget": Budget(1e5, "FLOPs")}, "and the seed of 9 pilots 3.* more"),
        ((), {"width": 0.1, "compute": 1e6}, "nothing would be extrapolated"),
        ((), {"width": 0.1, "compute": -1.0}, "--target-compute -1"),
        ((), {"budget": Budget(5, "h")}, "needs times"),
        (("tokens = [262144]", "tokens = [262144]\nseeds = []"), {"width": 0.1}, "seeds"),
        (("[[targets]]\nwidths = [96]\ntokens = [262144]", ""), {"width": 0.1}, "no target"),
        (("tokens = [8192", "learning_rates = [1e-3, 2e-3]\ntokens = [8192"), {"width": 0.1},
         "more than size, length and seed"),
        (("[[targets]]", '[[pilots]]\nmodel = {family = "transformer", context = 16, depth = 2}\n'
          "widths = [8]\ntokens = [8192]\n[[targets]]"), {"width": 0.1}, None),
    ],
)  # fmt: skip
def test_bad_input_is_told_before_anything_is_trained(
    change: tuple[str, str] | tuple[()],
    asked: dict[str, Any],
    message: str | None,
    ladder: Path,
    tmp_path: Path,
) -> None:
    path, text = tmp_path / "other.toml", ladder.read_text()
    path.write_text(text.replace(*change) if change else text)
    executor = Lawful(tmp_path / "study")

    def go() -> None:
        study = plan_study(path, measure=False)
        run_study(study, path, tmp_path / "study", start=lambda: executor, adapt=Asked(**asked))

    if message is None:  # another depth is another size, no other recipe
        go()
        assert executor.rounds
    else:
        with pytest.raises(InputError, match=message):
            go()
        assert not executor.rounds


def test_a_file_of_something_else_is_refused(
    planned: Planned, ladder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    executor = Lawful(folder)
    Store(folder).open(planned.grid, ladder.read_text(), {"cells": []})
    (folder / FILE).write_text('{"format": "another"}')
    with pytest.raises(InputError, match=r"adaptive\.json: its format is 'another'"):
        run(planned, ladder, folder, Asked(width=0.1))
    assert not executor.rounds


def test_options_of_adaptive_runs_alone_are_refused(ladder: Path) -> None:
    told = CliRunner().invoke(app, ["run", str(ladder), "--width", "0.1"])
    assert isinstance(told.exception, InputError)
    assert "give --adaptive, too" in str(told.exception)


def test_a_kept_trunk_goes_on_and_ends_as_if_it_had_not_stopped(
    cells: list[Cell], grid: Grid, tmp_path: Path
) -> None:
    """In two calls, the trunk kept between them, and in one: the same losses for the same FLOPs."""
    short, long = sorted((c for c in cells if c.trunk == cells[0].trunk), key=lambda c: c.steps)
    once, twice = Store(tmp_path / "once"), Store(tmp_path / "twice")
    train([short, long], grid.data, once, Debug(), timings={})
    assert not once.checkpoint(short.trunk).exists()
    train([short], grid.data, twice, Debug(), timings={}, keep={short.trunk})
    assert twice.checkpoint(short.trunk).exists()
    heard: list[str] = []
    train(
        [short, long], grid.data, twice, Debug(), timings={},
        on_event=lambda event: heard.append(event.record["run"]) if event.record else None,
    )  # fmt: skip
    assert heard == [long.id]  # what is known is no news
    assert not twice.checkpoint(short.trunk).exists()
    for cell in (short, long):
        one, other = once.record(cell.id), twice.record(cell.id)
        assert one is not None
        assert other is not None
        assert (one["loss"], one["flops_spent"]) == (other["loss"], other["flops_spent"])


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["1.5e9FLOPs", "0.01h"])
def test_real_runs_from_the_command_line(budget: str, ladder: Path, tmp_path: Path) -> None:
    """Twelve runs of a second in all, by a worker of its own; they take the FLOPs that the rounds
    say, and the same command again trains nothing that it can't pay."""
    path, out = tmp_path / "real.toml", tmp_path / "study"
    text = ladder.read_text().partition("[[targets]]")[0]
    text = text.replace("[8, 12, 16, 20, 24, 32]", "[8, 16]").replace("65536]", "24576]")
    path.write_text(text.replace("[[pilots]]", "[[pilots]]\nseeds = [0, 1]"))
    asked = ["run", str(path), "--out", str(out), "--workers", "1", "--adaptive"]
    asked += ["--target-compute", "1e11", "--budget", budget]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, (told.output, told.exception)
    assert "adaptive, round 1: 6 of 12 pilots trained, spent" in told.output
    rounds = kept(out)
    records = [json.loads(p.read_text()) for p in out.glob("cells/*/record.json")]
    assert len(rounds) > 1
    assert sum(record["flops_spent"] for record in records) == rounds[-1].flops
    assert len(records) == sum(len(one.cells) for one in rounds)
    if budget.endswith("FLOPs"):
        assert rounds[-1].flops <= 1.5e9
        assert len(records) < 12
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert kept(out) == rounds
