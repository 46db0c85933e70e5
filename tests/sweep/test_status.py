"""How a study stands, from its folder: what is done, what runs, what is left and what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from batteries.records import CURVE, record_of, take_up
from typer.testing import CliRunner

from scaling.cli import app
from scaling.grid import Cell, Grid
from scaling.sweep.planning.plan import CellCost, costs
from scaling.sweep.standing.status import status_of
from scaling.sweep.storing import claims as claims_module
from scaling.sweep.storing.claims import Claims
from scaling.sweep.storing.store import Store


@pytest.fixture
def known(cells: list[Cell]) -> dict[str, CellCost]:
    timing = {"step": 0.5, "evaluation": 1.0, "start": 2.0}
    return costs(cells, {cell.timing_key: timing for cell in cells})


@pytest.fixture
def store(tmp_path: Path, grid: Grid, cells: list[Cell], known: dict[str, CellCost]) -> Store:
    store = Store(tmp_path / "study")
    facts = {"grid_sha256": "1", "cells": [cell.id for cell in cells]}
    take_up(store, grid, facts=facts, known=known)
    return store


def finish(store: Store, cell: Cell, known: dict[str, CellCost], **changes: Any) -> None:
    predicted = known[cell.id].seconds
    assert predicted is not None
    times = {"seconds": 1.5 * predicted, "predicted_seconds": predicted}
    store.save(cell, record_of(cell, **times, **changes), CURVE)


def trunks_of(cells: list[Cell]) -> list[list[Cell]]:
    names = dict.fromkeys(cell.trunk for cell in cells)
    return [sorted((c for c in cells if c.trunk == name), key=lambda c: c.steps) for name in names]


def test_nothing_is_done_yet(store: Store, cells: list[Cell], known: dict[str, CellCost]) -> None:
    status = status_of(store.folder)
    assert str(status) == f"{len(cells)} cells: {len(cells)} planned"
    assert status.left.seconds == pytest.approx(sum(c.seconds or 0 for c in known.values()))
    assert (status.left.correction, status.left.wall_seconds, status.left.cost) == (1.0, None, None)
    assert not (store.folder / "index.parquet").exists()


def test_every_status_is_counted(
    store: Store, cells: list[Cell], known: dict[str, CellCost], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, third, fourth = trunks_of(cells)
    finish(store, one[0], known)
    finish(store, one[1], known, status="recovered", reason="rewound once", rewinds=1)
    finish(store, other[1], known, status="diverged", reason="loss nan", loss=float("nan"))
    finish(store, third[0], known, status="failed", reason="hung")
    finish(store, fourth[1], known)
    path = store.folder / "cells" / fourth[1].id / "record.json"
    path.write_bytes(path.read_bytes()[:50])
    with Claims(store.folder).hold([other[0].trunk, third[0].trunk]) as held:
        # A machine of that name, another process: it told long ago.
        silent = store.folder / "claims" / f"{third[0].trunk}.1"
        silent.write_text(json.dumps({"holder": {"host": "far", "pid": 7}, "step": 3}))
        os.utime(silent, (0, 0))
        held[0].tell(step=32, loss=2.25, steps_per_second=12.5)
        told = {**held[0].facts, "holder": claims_module._me(), "beat": 1}
        (store.folder / "claims" / f"{other[0].trunk}.1").write_text(json.dumps(told))
        before = {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()}
        status = status_of(store.folder, price=2.0)
        assert {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()} == before
        shown = CliRunner().invoke(app, ["status", str(store.folder), "--price", "2"]).stdout
    counts = {name: count for name, count in status.counts.items() if count}
    assert counts == {
        "finished": 1, "recovered": 1, "diverged": 1, "failed": 1, "running": 1, "quarantined": 1,
        "planned": 2,
    }  # fmt: skip
    assert sum(counts.values()) == len(cells)
    by_trunk = {one.trunk: one for one in status.running}
    running, stale = by_trunk[other[0].trunk], by_trunk[third[0].trunk]
    assert (running.alive, running.cell, running.step, running.steps, running.loss) == (
        True, other[0].id, 32, other[1].steps, 2.25,
    )  # fmt: skip
    assert (stale.alive, stale.host, stale.process, stale.cell) == (False, "far", 7, third[0].id)
    assert {cell["run"]: cell["status"] for cell in status.ill} == {
        one[1].id: "recovered", other[1].id: "diverged", third[0].id: "failed",
    }  # fmt: skip
    assert [aside.id for aside in status.quarantined] == [fourth[1].id]
    left = [known[c.id].seconds or 0 for c in (other[0], *third, *fourth)]
    assert status.left.cells == 5
    assert status.left.correction == pytest.approx(1.5)
    assert status.left.workers == 1
    assert status.left.seconds == pytest.approx(1.5 * sum(left))
    assert status.left.wall_seconds == status.left.seconds
    assert status.left.cost == pytest.approx(2.0 * status.left.seconds / 3600)
    for line in (
        f"running  trunk {other[0].trunk}: on ",
        "step 32 of 128, loss 2.25, 12.5 steps/s",
        f"stale  trunk {third[0].trunk}: on far (process 7), step 3 of 128, told ",
        "times 1.50: measured over predicted so far",
        "device-hours at 2 each",
        f"damaged  {fourth[1].id}: record.json: not valid JSON",
        "the next run moves it to quarantine/",
    ):
        assert line in shown


def test_a_running_trunk_has_less_to_go(
    store: Store, cells: list[Cell], known: dict[str, CellCost]
) -> None:
    group = trunks_of(cells)[0]
    whole = sum(known[cell.id].seconds or 0 for cell in group)
    before = status_of(store.folder).left.seconds
    assert before is not None
    with Claims(store.folder).hold([group[0].trunk]):
        path = store.folder / "claims" / f"{group[0].trunk}.1"
        path.write_text(json.dumps({**json.loads(path.read_text()), "step": group[-1].steps // 2}))
        after = status_of(store.folder).left
        assert after.seconds == pytest.approx(before - whole / 2)
        # Nothing is finished: what is left takes as long as the steps that run now.
        pace = group[-1].steps / (3 * whole)
        told = {**json.loads(path.read_text()), "steps_per_second": pace}
        path.write_text(json.dumps(told))
        paced = status_of(store.folder).left
    assert paced.correction == pytest.approx(3)
    assert paced.seconds == pytest.approx(3 * (before - whole / 2))


def test_a_claim_whose_process_is_gone_is_stale(store: Store, cells: list[Cell]) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from scaling.sweep.storing.claims import Claims\n"
        "held = Claims(Path(sys.argv[1])).hold([sys.argv[2]])\nheld.__enter__()\nos._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, store.folder, cells[0].trunk], check=False)
    status = status_of(store.folder)
    assert [one.alive for one in status.running] == [False]
    assert status.counts["stale"] == 1


def test_json_says_all_and_is_json(store: Store, cells: list[Cell]) -> None:
    store.save(cells[0], record_of(cells[0], status="diverged", loss=float("nan")), CURVE)
    told = json.loads(CliRunner().invoke(app, ["status", str(store.folder), "--json"]).stdout)
    assert told["planned"] == len(cells)
    assert told["cells"]["diverged"] == 1
    assert told["cells"]["planned"] == len(cells) - 1
    assert told["ill"][0]["run"] == cells[0].id
    assert set(told["left"]) >= {"seconds", "wall_seconds", "correction", "cost", "workers"}


def test_studies_of_before_plans_were_kept_have_a_status(store: Store, cells: list[Cell]) -> None:
    (store.folder / "plan.parquet").unlink()
    status = status_of(store.folder, price=1.0)
    assert status.counts["planned"] == len(cells)
    assert status.left.seconds is None
    assert status.left.cost is None
    shown = CliRunner().invoke(app, ["status", str(store.folder)]).stdout
    assert f"left: {len(cells)} cells; time was not predicted" in shown


def test_many_ill_cells_are_cut_short(
    store: Store, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaling.commands.status._SHOWN", 2)
    for cell in cells[:5]:
        store.save(cell, record_of(cell, status="diverged", reason="loss nan"), CURVE)
    shown = CliRunner().invoke(app, ["status", str(store.folder)]).stdout
    assert shown.count("diverged: loss nan") == 2
    assert "and 3 more cells that are not well (--all tells of them)" in shown
    shown = CliRunner().invoke(app, ["status", str(store.folder), "--all"]).stdout
    assert shown.count("diverged: loss nan") == 5


def test_cells_that_left_the_grid_are_counted(
    store: Store, cells: list[Cell], grid: Grid, known: dict[str, CellCost]
) -> None:
    finish(store, cells[0], known)
    facts = {"grid_sha256": "2", "cells": [cell.id for cell in cells[1:]]}
    take_up(store, grid, facts=facts, known={c.id: known[c.id] for c in cells[1:]})
    assert status_of(store.folder).other_cells == 1
    shown = CliRunner().invoke(app, ["status", str(store.folder)]).stdout
    assert "1 more cells have records, and are not in this grid: kept" in shown
