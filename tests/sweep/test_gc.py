"""What goes and what stays: never a record, never anything of a living claim."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from batteries.records import CURVE, record_of, take_up
from typer.testing import CliRunner

from scaling import files
from scaling.cli import app
from scaling.errors import InputError
from scaling.grid import Cell, Grid
from scaling.sweep.planning.plan import costs
from scaling.sweep.storing.claims import Claims
from scaling.sweep.storing.gc import collect, garbage
from scaling.sweep.storing.store import Store


@pytest.fixture
def store(tmp_path: Path, grid: Grid, cells: list[Cell]) -> Store:
    """Two trunks are done, of the third one cell failed, the fourth is not begun."""
    store = Store(tmp_path / "study")
    facts = {"grid_sha256": "1", "cells": [cell.id for cell in cells]}
    take_up(store, grid, facts=facts, known=costs(cells, {}))
    trunks = list(dict.fromkeys(cell.trunk for cell in cells))
    for cell in cells:
        number = trunks.index(cell.trunk)
        if number < 2 or (number == 2 and cell.steps == max(c.steps for c in cells)):
            store.save(cell, record_of(cell, status="failed" if number == 2 else "finished"), CURVE)
    for trunk in (*trunks, "gone-from-the-grid"):
        files.write(store.checkpoint(trunk), b"state")
    parts = store.folder / "trunks" / f"{trunks[0]}.parts" / "16"
    parts.mkdir(parents=True)
    (parts / "leaf").write_bytes(b"part")
    files.write(store.folder / "trunks" / f"{trunks[1]}.branch.npz", b"branch")
    return store


def trunks_of(cells: list[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.trunk for cell in cells))


def records(store: Store) -> dict[Path, bytes]:
    kept = [*store.folder.glob("*.*"), *store.folder.glob("cells/*/*")]
    return {p: p.read_bytes() for p in kept if p.is_file() and p.suffix != ".tmp"}


def test_checkpoints_of_what_is_left_to_train_stay(store: Store, cells: list[Cell]) -> None:
    one, other, third, fourth = trunks_of(cells)
    before = records(store)
    found = garbage(store.folder)
    assert [item.path for item in found] == sorted(
        f"trunks/{name}"
        for name in (
            f"{one}.npz", f"{one}.parts", f"{other}.npz", f"{other}.branch.npz",
            "gone-from-the-grid.npz",
        )
    )  # fmt: skip
    assert {item.kind for item in found} == {"checkpoint"}
    assert sum(item.bytes for item in found) == 3 * 5 + 4 + 6
    assert files.names(store.folder / "trunks") != []
    assert collect(store.folder, found)
    assert files.names(store.folder / "trunks") == sorted([f"{third}.npz", f"{fourth}.npz"])
    assert garbage(store.folder) == []
    assert records(store) == before
    assert not (store.folder / "claims").exists() or not files.names(store.folder / "claims")
    collect(store.folder, garbage(store.folder, keep="none"))
    assert not (store.folder / "trunks").exists()
    assert records(store) == before


def test_what_is_claimed_stays_whatever_is_asked(store: Store, cells: list[Cell]) -> None:
    one, *_ = trunks_of(cells)
    listed = garbage(store.folder, keep="none")
    with Claims(store.folder).hold([one]):
        assert one not in {item.trunk for item in garbage(store.folder, keep="none")}
        collect(store.folder, listed)  # claimed between the look and the removal
        assert files.names(store.folder / "trunks") == [f"{one}.npz", f"{one}.parts"]


def test_what_the_dead_left_goes(store: Store, cells: list[Cell]) -> None:
    *_, third, fourth = trunks_of(cells)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom scaling import files\n"
        "from scaling.sweep.storing.claims import Claims\nroot = Path(sys.argv[1])\n"
        "held = Claims(root).hold([sys.argv[2]])\nheld.__enter__()\n"
        "writing = files.writing(root / 'cells' / 'a' / 'record.json')\n"
        "writing.__enter__().write(b'half')\nos._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, store.folder, third], check=False)
    files.write(store.folder / "claims" / f"{fourth}.3", json.dumps({"holder": {}}).encode())
    with files.writing(store.folder / "mine") as file:
        file.write(b"being written")
        found = garbage(store.folder)
        left = [(item.kind, item.trunk) for item in found if item.kind != "checkpoint"]
        assert left == [("claim", third), ("temporary", "")]
        os.utime(store.folder / "claims" / f"{fourth}.3", (0, 0))  # another machine's, silent
        collect(store.folder, garbage(store.folder))
    assert (store.folder / "mine").read_bytes() == b"being written"
    assert files.names(store.folder / "claims") == []
    assert not list(store.folder.rglob("*.tmp"))
    assert files.names(store.folder / "trunks") == sorted([f"{third}.npz", f"{fourth}.npz"])


def test_only_what_is_older(store: Store, cells: list[Cell]) -> None:
    one, *_ = trunks_of(cells)
    path = store.checkpoint(one)
    os.utime(path, (0, 0))
    assert [item.path for item in garbage(store.folder, older_than_days=3)] == [f"trunks/{one}.npz"]


def test_quarantine_goes_on_request_alone(store: Store, cells: list[Cell]) -> None:
    path = store.folder / "cells" / cells[0].id / "record.json"
    path.write_text("{")
    assert store.record(cells[0].id) is None
    assert "quarantine" not in {item.kind for item in garbage(store.folder)}
    found = [i for i in garbage(store.folder, quarantined=True) if i.kind == "quarantine"]
    assert [item.path for item in found] == [f"quarantine/{cells[0].id}-1"]
    collect(store.folder, found)
    assert store.quarantined() == []


def test_without_a_plan_no_checkpoint_is_judged(store: Store) -> None:
    (store.folder / "plan.parquet").unlink()
    assert garbage(store.folder) == []
    assert len(garbage(store.folder, keep="none")) == 7


def test_the_command(store: Store, cells: list[Cell]) -> None:
    def run(*options: str) -> str:
        return CliRunner().invoke(app, ["gc", str(store.folder), *options]).stdout

    before = files.names(store.folder / "trunks")
    assert "5 items would go, 0.0 MB" in run("--dry-run")
    assert files.names(store.folder / "trunks") == before
    told = json.loads(run("--dry-run", "--json"))
    assert (told["removed"], len(told["items"])) == (False, 5)
    shown = run()
    assert "5 items removed" in shown
    assert "no planned cell of its trunk is left to train" in shown
    assert "0 items removed" in run()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda store: garbage(store.folder, keep="all"), "--keep 'all'; valid: unfinished, none"),
        (lambda store: garbage(store.folder.parent), "no study here"),
    ],
)
def test_bad_input(store: Store, call: Callable[[Store], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(store)
