"""The store is the same on a disk, in memory and in an S3; what is secret shows nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from batteries.records import CURVE, record_of, take_up
from batteries.stores import s3_environment
from typer.testing import CliRunner

from scaling import files
from scaling.cli import app
from scaling.errors import InputError
from scaling.forecast import proof
from scaling.grid import Cell, Grid
from scaling.sweep.planning.plan import costs
from scaling.sweep.standing.status import status_of
from scaling.sweep.storing import index
from scaling.sweep.storing.claims import Claims
from scaling.sweep.storing.gc import collect, garbage
from scaling.sweep.storing.store import Store


@pytest.fixture
def store(place: files.Place, grid: Grid, grid_text: str, cells: list[Cell]) -> Store:
    store = Store(place)
    facts = {"grid_sha256": "1", "cells": [cell.id for cell in cells]}
    assert not take_up(store, grid, grid_text, facts, costs(cells, {}))
    return store


def everything(place: files.Place) -> dict[str, bytes]:
    if isinstance(place, Path):
        found = [path for path in place.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in found}
    return {name: place.fs.cat_file(name) for name in place.fs.find(place.path)}


def test_a_study_is_stored_and_read_again(store: Store, cells: list[Cell], grid: Grid) -> None:
    assert store.write_table([]).empty
    for cell in cells:
        assert store.save(cell, record_of(cell), CURVE)
        assert not store.save(cell, record_of(cell, loss=9.0), CURVE)
    assert store.finished(cells) == {cell.id: record_of(cell) for cell in cells}
    assert store.curve(cells[0].id).equals(CURVE)
    again = Store(str(store.folder))
    table = again.write_table(cells)
    assert table["run"].tolist() == [cell.id for cell in cells]
    with files.reading(store.folder / "table.parquet") as file:
        assert pd.read_parquet(file).equals(table)
    assert index.look(store.folder).read == 0
    take_up(again, grid, "", {"grid_sha256": "1", "cells": [cell.id for cell in cells]})
    with pytest.raises(InputError, match="holds the study 'tiny', not 'other'"):
        take_up(again, grid.model_copy(update={"name": "other"}))


def test_tables_are_the_same_bytes_everywhere(
    store: Store, cells: list[Cell], tmp_path: Path
) -> None:
    here = Store(tmp_path / "here")
    for one in (here, store):
        for cell in cells:
            one.save(cell, record_of(cell), CURVE)
        one.write_table(cells)
    for name in ("table.parquet", "table.csv"):
        assert files.read(store.folder / name) == files.read(here.folder / name)


def test_damage_goes_to_quarantine(store: Store, cells: list[Cell]) -> None:
    for cell in cells[:2]:
        store.save(cell, record_of(cell), CURVE)
    folder = store.folder / "cells" / cells[0].id
    files.write(folder / "curve.parquet", b"PAR1")
    assert store.write_table(cells)["run"].tolist() == [cells[1].id]
    assert files.names(store.folder / "cells") == [cells[1].id]
    (aside,) = store.quarantined()
    assert files.read(store.folder / aside.now / "curve.parquet") == b"PAR1"
    assert status_of(store.folder).counts["quarantined"] == 1
    assert store.save(cells[0], record_of(cells[0]), CURVE)
    assert status_of(store.folder).counts["finished"] == 2


def test_status_and_gc(store: Store, cells: list[Cell]) -> None:
    for cell in cells:
        if cell.trunk == cells[0].trunk:
            store.save(cell, record_of(cell), CURVE)
        files.write(store.checkpoint(cell.trunk), b"state")
    with Claims(store.folder).hold([cells[-1].trunk]):
        status = status_of(str(store.folder))
        assert status.counts["running"] == 1
        assert status.running[0].alive
    gone = collect(store.folder, garbage(store.folder))
    assert [item.trunk for item in gone] == [cells[0].trunk]
    assert not files.exists(store.checkpoint(cells[0].trunk))
    shown = CliRunner().invoke(app, ["status", str(store.folder)]).stdout
    if not str(store.folder).startswith("memory"):  # each invocation sees this process's memory
        assert shown.startswith(f"{len(cells)} cells: 2 finished")


def test_only_the_first_forecast_is_written(store: Store) -> None:
    path = store.folder / "forecast.json"
    with pytest.raises(InputError, match=r"no forecast here"):
        proof.read(path)
    first = proof.write_once(path, {"targets": [], "rule": {}})
    assert proof.write_once(path, {"targets": [1], "rule": {}}) == first
    assert proof.read(path) == first


def test_the_forecast_of_a_driver_that_was_faster_stands(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.folder / "forecast.json"
    first = proof.write_once(path, {"targets": [], "rule": {}})
    monkeypatch.setattr("scaling.files.exists", lambda path: False)  # looked before it was there
    assert proof.write_once(path, {"targets": [1], "rule": {}}) == first


def test_no_secret_is_stored_or_said(
    s3: dict[str, str], cells: list[Cell], grid: Grid, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store("s3://studies/secrets")
    take_up(store, grid, "text", {"cells": [cell.id for cell in cells]}, costs(cells, {}))
    store.save(cells[0], record_of(cells[0]), CURVE)
    files.write(store.folder / "cells" / cells[0].id / "record.json", b"{")
    store.save(cells[1], record_of(cells[1]), CURVE)
    store.write_table(cells)
    said = [caplog.text, CliRunner().invoke(app, ["status", str(store.folder), "--json"]).output]
    refused = subprocess.run(
        [sys.executable, "-m", "scaling.cli", "status", "s3://nobodys/study"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    said_of_none = "scaling: s3://nobodys/study: no study here (study.json is missing); "
    assert refused.stderr.startswith(said_of_none)
    assert refused.stderr.count("\n") == 1
    kept = everything(store.folder)
    assert len(kept) > 8
    with Claims(store.folder).hold([cells[0].trunk]):
        kept |= everything(store.folder)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        secret = s3[name]
        assert secret not in "".join([*said, refused.stdout, refused.stderr])
        assert not [path for path, data in kept.items() if secret.encode() in data]


def test_wrong_credentials_are_one_line(s3: dict[str, str], tmp_path: Path) -> None:
    for missing in (True, False):
        environment = {"PATH": "/usr/bin:/bin", **s3_environment(s3["AWS_ENDPOINT_URL"])}
        environment |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
        if missing:
            del environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        else:
            environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"  # nobody answers
            environment["AWS_MAX_ATTEMPTS"] = "1"
        refused = subprocess.run(
            [sys.executable, "-W", "error", "-m", "scaling.cli", "status", "s3://studies/x"],
            capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        assert refused.returncode == 2, refused.stderr
        assert refused.stderr.count("\n") == 1, refused.stderr
        assert "cannot read: " in refused.stderr
        assert environment.get("AWS_SECRET_ACCESS_KEY", "?" * 9) not in refused.stderr


def test_nothing_in_a_store_is_a_pickle(store: Store, cells: list[Cell]) -> None:
    """All of it is JSON, TOML, CSV or Parquet, and no reader of it can unpickle."""
    store.save(cells[0], record_of(cells[0]), CURVE)
    store.write_table(cells)
    kinds = {path.rpartition(".")[2] for path in everything(store.folder)}
    assert kinds == {"json", "toml", "csv", "parquet"}
    sweep = Path(index.__file__).parents[1]
    for source in [*sweep.glob("*.py"), *sweep.glob("st*ing/*.py"), sweep.parent / "files.py"]:
        text = source.read_text()
        if source.name == "worker.py":  # speaks with processes of its own, through their pipe
            continue
        assert "pickle" not in text.replace("picklable", "").replace("unpickled", ""), source
        assert "np.load" not in text, source


def test_names_of_grids_never_become_paths(
    place: files.Place, grid: Grid, cells: list[Cell], tmp_path: Path
) -> None:
    odd = "../../x; touch 'y' \"$(z)\""
    store = Store(place)
    named = grid.model_copy(update={"name": odd})
    take_up(store, named, "text", {"cells": [cell.id for cell in cells]}, costs(cells, {}))
    store.save(cells[0], record_of(cells[0]), CURVE)
    assert json.loads(files.read(place / "study.json"))["name"] == odd
    inside = {"study.json", "grid.toml", "plan.parquet", "cells"}
    assert set(files.names(place)) == inside
    assert not [path for path in everything(place) if "touch" in path or ".." in path]
    if isinstance(place, Path):
        assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("run", ["../../etc", "/etc/passwd", "a/b", "..", "", "a;b", ".x"])
def test_an_id_that_is_none_names_no_path(place: files.Place, run: str) -> None:
    with pytest.raises(InputError, match="no id of a cell or trunk"):
        Store(place).record(run)


def mangled(raw: bytes) -> list[Any]:
    return [raw[: len(raw) // 2], b"", b"\x00" * 64, raw[:-1] + b"?", b"PAR1" + raw[:30] + b"PAR1"]


def test_a_torn_index_is_made_again(store: Store, cells: list[Cell]) -> None:
    for cell in cells:
        store.save(cell, record_of(cell), CURVE)
    table = store.write_table(cells)
    raw = files.read(store.folder / "index.parquet")
    middle = raw[: len(raw) // 3] + b"\xff" * 16 + raw[len(raw) // 3 + 16 :]
    for harmed in [*mangled(raw), middle]:
        files.write(store.folder / "index.parquet", harmed)
        assert store.table(cells).equals(table)
        assert index.look(store.folder).read == 0  # and it was written anew
    files.remove(store.folder / "index.parquet")
    assert store.table(cells).equals(table)
