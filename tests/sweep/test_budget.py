"""Trimming to a budget: what goes, what stays, what it costs, and that nothing else changes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from batteries.sources import prose
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.data import Corpus, load
from scaling.errors import InputError
from scaling.grid import Cell, Grid, parse_grid, plan
from scaling.grid.planning import origins
from scaling.grid.writing import only, to_toml
from scaling.sweep.planning.budget import Budget, Costs, Rate, rates, trim
from scaling.sweep.planning.leverage import Leverage
from scaling.sweep.planning.plan import costs

TEXT = """
name = "ladder"
[data]
held_out = 0.2
eval_tokens = 4096
[model]
context = 16
depth = 1
[train]
batch_tokens = 128
base_width = 8
warmup_steps = 4
[[pilots]]
widths = [8, 16, 24]
tokens = [8192, 16384, 32768, 65536]
seeds = [0, 1]
[[pilots]]
widths = [32]
tokens = [8192, 16384]
learning_rates = [0.01]
[[targets]]
widths = [64]
tokens = [262144]
"""
FLOPS = rates("FLOPs", {}, "cpu", None)
LEAST = 4


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("text")
    for n in range(16):
        (folder / f"{n}.txt").write_text(prose(n))
    return load(f"{folder}/*.txt", held_out=0.2, cache=folder / "cache")


@pytest.fixture(scope="module")
def grid() -> Grid:
    return parse_grid(TEXT)


@pytest.fixture(scope="module")
def ladder(grid: Grid, corpus: Corpus) -> list[Cell]:
    return plan(grid, corpus)


def flops(amount: float) -> Budget:
    return Budget(amount, "FLOPs")


def points(cells: list[Cell]) -> Counter[tuple[int, int]]:
    return Counter((c.shape.N, c.D) for c in cells if c.role == "pilot")


def least(cells: list[Cell]) -> float:
    """The smallest budget that is not refused, as the refusal says."""
    with pytest.raises(InputError, match=r"below the smallest study by this grid") as refused:
        trim(cells, FLOPS, flops(1.0), points=LEAST)
    return float(str(refused.value).split("grid, of ")[1].split(" FLOPs")[0])


@settings(deadline=None, max_examples=50)
@given(share=st.floats(0, 1), more=st.floats(0, 1))
def test_a_budget_is_kept_and_a_larger_one_keeps_more(
    ladder: list[Cell], share: float, more: float
) -> None:
    total = Costs(ladder, FLOPS).total()
    lowest = least(ladder) * 1.001  # the refusal is rounded to four digits
    amounts = sorted(lowest + part * (total - lowest) for part in (share, more))
    small, large = (trim(ladder, FLOPS, flops(amount), points=LEAST) for amount in amounts)
    for found, amount in zip((small, large), amounts, strict=True):
        assert found.before == total
        assert found.cost <= amount
        # What it costs is what a plan of these cells says that they cost.
        assert found.cost == pytest.approx(sum(c.flops for c in costs(found.kept, {}).values()))
        assert {c.id for c in (*found.kept, *found.dropped)} == {c.id for c in ladder}
        assert len(found.kept) + len(found.dropped) == len(ladder)
        assert [c for c in ladder if c in found.kept] == found.kept  # in the plan's order
        assert {c.role for c in found.dropped} <= {"pilot"}
        assert len(points(found.kept)) >= LEAST
    assert {c.id for c in small.kept} <= {c.id for c in large.kept}


def test_enough_for_everything_drops_nothing(ladder: list[Cell]) -> None:
    found = trim(ladder, FLOPS, flops(Costs(ladder, FLOPS).total()), points=LEAST)
    assert found.kept == ladder
    assert found.dropped == []


def test_too_little_is_refused_with_the_smallest_budget(ladder: list[Cell]) -> None:
    told = r"a budget of 10 FLOPs is below the smallest .*: 4 pilots, and 1 targets of"
    with pytest.raises(InputError, match=told):
        trim(ladder, FLOPS, flops(10), points=LEAST)
    smallest = trim(ladder, FLOPS, flops(least(ladder) * 1.001), points=LEAST)
    assert len(points(smallest.kept)) == LEAST == sum(points(smallest.kept).values())


def test_of_equal_cost_a_ladder_keeps_its_ends_and_its_middle(ladder: list[Cell]) -> None:
    # As the best design for a parabola beyond its data does: three points, the ends among them.
    one, target = ladder[0], ladder[-1]
    ends = [one.at(64), one.at(1024)]
    cells = [*ends, *(one.at(steps) for steps in (96, 144, 192, 256, 368, 512, 704)), target]
    found = trim(cells, lambda cell: Rate(step=0.0, each=1.0), flops(4), points=3)
    lengths = sorted(cell.steps for cell in found.kept if cell.role == "pilot")
    assert lengths[0] == 64
    assert lengths[1] in (192, 256, 368)
    assert lengths[2] == 1024


@pytest.mark.parametrize("dear", [0, 1])
def test_of_runs_that_say_the_same_the_dear_go_first(ladder: list[Cell], dear: int) -> None:
    def rate(cell: Cell) -> Rate:
        return Rate(0.0, each=3.0 if cell.seed == dear else 1.0)

    pilots = [c for c in ladder if c.role == "pilot" and c.recipe.learning_rate != 0.01]
    gone = trim(pilots, rate, flops(12), points=LEAST).dropped
    seeds: dict[tuple[int, int], list[int]] = {}
    for cell in gone:
        seeds.setdefault((cell.shape.N, cell.D), []).append(cell.seed)
    assert {tuple(of_point) for of_point in seeds.values()} <= {(dear,), (dear, 1 - dear)}
    assert len(gone) > 6


def test_the_rise_of_variance_is_that_of_least_squares(ladder: list[Cell]) -> None:
    pilots = [c for c in ladder if c.role == "pilot" and c.recipe.learning_rate != 0.01]
    target = next(c for c in ladder if c.role == "target")
    leverage = Leverage([*pilots, target], LEAST)

    def variance(cells: list[Cell]) -> float:
        """Of a prediction at the target, by NumPy's least squares on raw logs."""

        def row(cell: Cell) -> list[float]:
            n, d = np.log(cell.shape.N_total), np.log(cell.D)
            return [1.0, n, d, n * n, d * d]

        x, at = np.array([row(c) for c in cells]), np.array(row(target))
        weights = at @ np.linalg.pinv(x)
        return float(weights @ weights)

    before = variance(pilots)
    for gone in (pilots[0], pilots[5], pilots[-1]):
        after = variance([c for c in pilots if c is not gone])
        expected = (after - before) / before
        assert leverage.rises()[leverage.point[gone.id]] == pytest.approx(expected, rel=1e-3)


def test_hours_and_dollars_need_times_and_a_price(ladder: list[Cell]) -> None:
    with pytest.raises(InputError, match="a budget of hours or dollars needs times: calibrate"):
        rates("h", {}, "cpu", 1.0)
    timings = {c.timing_key: {"step": 0.5, "evaluation": 2.0, "start": 7.0} for c in ladder}
    with pytest.raises(InputError, match="a budget of dollars needs --price"):
        rates("usd", timings, "cpu", None)
    hours = Costs(ladder, rates("h", timings, "cpu", None)).total()
    seconds = [cost.seconds for cost in costs(ladder, timings).values()]
    assert hours == pytest.approx(sum(s for s in seconds if s is not None) / 3600)
    dollars = Costs(ladder, rates("usd", timings, "cpu", 2.5)).total()
    assert dollars == pytest.approx(2.5 * hours)


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (Budget(1.5e18, "FLOPs"), "1.5e+18 FLOPs"),
        (Budget(40, "h"), "40 device-hours"),
        (Budget(1234.5, "usd"), "$1,234.50"),
        (Budget(0.0012, "usd"), "$0.0012"),
    ],
)
def test_a_budget_reads_well(budget: Budget, told: str) -> None:
    assert str(budget) == told


@settings(deadline=None, max_examples=40)
@given(keep=st.sets(st.integers(0, 25), min_size=1))
def test_any_choice_of_cells_is_written_as_a_grid_that_plans_them(
    keep: set[int], grid: Grid, corpus: Corpus, ladder: list[Cell]
) -> None:
    from_points = origins(grid, corpus)
    assert list(from_points) == [c.id for c in ladder]
    # A grid has at least one pilot.
    chosen = {ladder[at].id for at in keep if at < len(ladder)} | {ladder[0].id}
    text = to_toml(only(grid, from_points, chosen), "two lines\nof comment")
    assert text.startswith("# two lines\n# of comment\n")
    assert {c.id for c in plan(parse_grid(text), corpus)} == chosen


def test_all_cells_are_the_same_blocks_again(grid: Grid, corpus: Corpus) -> None:
    from_points = origins(grid, corpus)
    again = only(grid, from_points, set(from_points))
    assert len(again.pilots) == len(grid.pilots)
    assert [c.id for c in plan(again, corpus)] == list(from_points)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "runs").glob("*.toml")), ids=lambda path: path.name
)
def test_every_shipped_grid_is_written_as_it_was_read(path: Path) -> None:
    read = parse_grid(path.read_text(encoding="utf-8"))
    assert parse_grid(to_toml(read)) == read


def test_awkward_names_and_words_are_written_so_that_they_are_read_again() -> None:
    text = TEXT.replace('name = "ladder"', 'name = "a \\"b\\" \\\\ ü \\u007f\\n"')
    text += (
        '[executor]\nname = "x"\n"odd key" = { a = [1, 2.5], b = true }\n'
        "[trackers.t]\nfolder = 'c:\\d'\n[trackers.u]\n"
    )
    for rate in (
        "",
        'learning_rate = "tune"\n',
        'learning_rate = "law"\nrate_law = "bjorck2024"\n',
    ):
        read = parse_grid(text.replace("[train]\n", f"[train]\n{rate}"))
        assert parse_grid(to_toml(read)) == read
