"""`scaling plan`: a study in parts, on other devices, at a price, trimmed to a budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from batteries.sources import prose
from typer.testing import CliRunner

from scaling import planned
from scaling.cli import app
from scaling.commands import study as study_command
from scaling.commands.options import budget_of
from scaling.devices import PRICES, device
from scaling.errors import InputError
from scaling.sweep.planning.budget import Budget

TEXT = """
name = "small"
[data]
source = "{folder}/*.txt"
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
tokens = [8192, 16384, 32768]
seeds = [0, 1]
[[targets]]
widths = [64]
tokens = [262144]
{more}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    for n in range(16):
        (folder / f"{n}.txt").write_text(prose(n))
    return folder


@pytest.fixture
def grid(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT.format(folder=folder, more=""))
    return path


def told(*arguments: object) -> str:
    shown = CliRunner().invoke(app, ["plan", *map(str, arguments), "--no-calibrate"])
    if shown.exception is not None:
        raise shown.exception
    return shown.stdout


def plan(*arguments: object) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(told(*arguments, "--json"))
    return facts


def test_the_parts_add_up_to_the_study(grid: Path) -> None:
    facts = plan(grid, "--device", "h100-sxm", "--workers", 4)
    pilots, targets, study = facts["parts"]
    assert [pilots["name"], targets["name"], study["name"]] == ["pilots", "targets", "study"]
    for key in (
        "cells", "trunks", "flops", "flops_apart", "bytes_read", "device_hours", "wall_seconds",
        "bound_seconds", "dollars", "records_bytes", "curves_bytes",
    ):  # fmt: skip
        assert study[key] == pytest.approx(pilots[key] + targets[key]), key
    for key in ("memory_bytes", "longest_seconds", "checkpoints_bytes"):
        assert study[key] == max(pilots[key], targets[key]), key
    assert facts["flops_spent"] == study["flops"] == sum(c["flops_spent"] for c in facts["cells"])
    assert facts["wall_seconds"] == study["wall_seconds"] >= study["bound_seconds"]
    assert study["device_hours"] == pytest.approx(sum(c["seconds"] for c in facts["cells"]) / 3600)
    assert (facts["workers"], facts["executor"], facts["device"]) == (4, "local", "H100-SXM")
    assert facts["too_large"] == []
    assert {c["fits"] for c in facts["cells"]} == {True}


def test_more_devices_take_less_time_and_the_same_money(grid: Path) -> None:
    few, many = (plan(grid, "--device", "l4", "--workers", n)["parts"][-1] for n in (1, 1000))
    assert few["wall_seconds"] == pytest.approx(few["device_seconds"])
    # Each part as long as its longest trunk: no trunk is shared out.
    assert many["wall_seconds"] == many["bound_seconds"] < few["wall_seconds"]
    assert many["dollars"] == few["dollars"] == pytest.approx(few["dollars_held"])
    assert many["dollars_held"] > few["dollars_held"]


def test_a_price_is_a_clouds_unless_one_is_given(grid: Path) -> None:
    usual, own = (
        plan(grid, "--device", "a100-80gb"),
        plan(grid, "--device", "a100-80gb", "--price", 2),
    )
    assert usual["price"] == PRICES["A100-80GB"].dollars
    assert "p4de.24xlarge" in usual["price_source"]
    assert (own["price"], "price_source" in own) == (2, False)
    hours = own["parts"][-1]["device_hours"]
    assert own["parts"][-1]["dollars"] == pytest.approx(2 * hours)
    assert plan(grid, "--device", "rtx-4090")["price"] is None
    assert "an assumption: --price sets yours" in told(grid, "--device", "a100-80gb")


def test_every_price_is_of_a_device_of_the_catalogue() -> None:
    for name, price in PRICES.items():
        assert device(name).name == name
        assert 0.1 < price.dollars < 20
        assert price.source
        assert price.month >= "2025"


def test_what_was_not_timed_has_no_time(grid: Path) -> None:
    facts = plan(grid)
    assert facts["wall_seconds"] is None
    assert facts["parts"][-1]["device_hours"] is None
    assert "not timed here" in told(grid)


def test_thousands_of_cells_are_told_by_size_unless_all_are_asked_for(
    folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "many.toml"
    text = TEXT.format(folder=folder, more="").replace("seeds = [0, 1]", f"seeds = {[*range(40)]}")
    path.write_text(text)
    short, long = told(path), told(path, "--all")
    assert len(short.splitlines()) < 25
    assert "361 cells by size; --all has a line for each" in short
    assert len(long.splitlines()) > 361
    assert len(plan(path)["cells"]) == 361


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("1e18FLOPs", Budget(1e18, "FLOPs")),
        ("2.5 P flops", Budget(2.5e15, "FLOPs")),
        ("1EFLOPs", Budget(1e18, "FLOPs")),
        ("40h", Budget(40, "h")),
        ("200usd", Budget(200, "usd")),
        ("$1.5k", Budget(1500, "usd")),
    ],
)
def test_budgets_as_people_write_them(text: str, budget: Budget) -> None:
    assert budget_of(text) == budget


@pytest.mark.parametrize("text", ["", "40", "h", "many h", "-3h", "0usd", "40d", "$3h", "infh"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--budget"):
        budget_of(text)


def test_a_budget_trims_and_what_is_left_is_a_grid(grid: Path, tmp_path: Path) -> None:
    whole, saved = plan(grid), tmp_path / "trimmed.toml"
    budget = 0.97 * whole["flops_spent"]
    facts = plan(grid, "--budget", f"{budget}FLOPs", "--save", saved)
    assert facts["flops_spent"] <= budget
    assert facts["budget"]["after"] == facts["flops_spent"]
    assert facts["budget"]["before"] == whole["flops_spent"]
    every = [cell["run"] for cell in whole["cells"]]
    kept, dropped = [cell["run"] for cell in facts["cells"]], facts["budget"]["dropped"]
    assert dropped
    assert sorted(kept + dropped) == sorted(every)
    assert "target" in {cell["role"] for cell in facts["cells"]}
    # The written grid plans the same cells, under the same ids.
    assert saved.read_text().startswith("# small.toml, trimmed by `scaling plan")
    again = plan(saved)
    assert {cell["run"] for cell in again["cells"]} == set(kept)
    assert again["flops_spent"] == facts["flops_spent"]


def test_a_trimmed_plan_says_what_went(grid: Path) -> None:
    spent = plan(grid)["flops_spent"]
    said = told(grid, "--budget", f"{0.97 * spent}FLOPs")
    assert "pilots are dropped to fit" in said
    assert "of transformer N" in said
    assert "--save GRID writes the trimmed grid" in said
    assert "is enough for all of it" in told(grid, "--budget", f"{2 * spent}FLOPs")


def test_money_and_hours_are_budgets_where_a_device_says_how_long(grid: Path) -> None:
    whole = plan(grid, "--device", "l4")["parts"][-1]
    for key, unit in (("device_hours", "h"), ("dollars", "usd")):
        facts = plan(grid, "--device", "l4", "--budget", f"{0.97 * whole[key]:.12f}{unit}")
        assert facts["parts"][-1][key] <= 0.97 * whole[key] * (1 + 1e-6)
        assert facts["budget"]["dropped"]
    with pytest.raises(InputError, match="a budget of hours or dollars needs times"):
        told(grid, "--budget", "1h")


def test_a_budget_below_the_smallest_study_is_refused(grid: Path) -> None:
    with pytest.raises(InputError, match=r"10 FLOPs is below the smallest study by this grid, of "):
        told(grid, "--budget", "10FLOPs")


def test_saving_needs_a_budget(grid: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a budget"):
        told(grid, "--save", tmp_path / "saved.toml")


def test_an_unknown_executor_or_option_is_refused(grid: Path) -> None:
    with pytest.raises(InputError, match="no executor called 'slrm'"):
        told(grid, "--executor", "slrm")
    with pytest.raises(InputError, match="unknown option"):
        told(grid, "--executor", "local", "--option", "partition=gpu")


def test_cells_too_large_are_told_by_plan_and_refused_by_run(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = plan(grid)["cells"]
    (target,) = (cell for cell in cells if cell["role"] == "target")
    room = target["memory_bytes"]  # and training items come on top
    monkeypatch.setattr(planned, "memory_here", lambda most: room)
    monkeypatch.setattr(planned, "calibrate", lambda *_, **__: {})
    facts = plan(grid)
    assert facts["too_large"] == [target["run"]]
    assert [cell["run"] for cell in facts["cells"] if not cell["fits"]] == [target["run"]]
    assert f"too large for a device of {room / 1e6:.3g} MB: {target['run']}" in told(grid)

    trained = []
    monkeypatch.setattr(study_command, "_train", lambda *given: trained.append(given))
    run = ["run", str(grid), "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, run)
    assert isinstance(refused.exception, InputError)
    assert "--force trains them all the same" in str(refused.exception)
    assert not trained
    assert CliRunner().invoke(app, [*run, "--force"]).exception is None
    assert trained


def test_a_run_of_more_devices_than_there_are_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    path.write_text(TEXT.format(folder=folder, more="[devices]\ndata = 8"))
    assert plan(path, "--device", "l4")["workers"] == 8  # one run's, where nobody says
    with pytest.raises(InputError, match="a run takes 8 devices together, and there are 4"):
        told(path, "--device", "l4", "--workers", 4)
