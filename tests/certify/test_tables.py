"""Published tables: normalisers against our tables, and downloads from a server on loopback."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.certify import tables
from scaling.errors import InputError

NORMALISED = [
    "chinchilla_epoch", "isoflops_openathena", "tao_vocab", "steplaw_dense",
    "steplaw_bootstrap_params",
]  # fmt: skip


def assert_same(made: pd.DataFrame, ours: pd.DataFrame) -> None:
    assert len(made) == len(ours)
    for column in made:
        if made[column].dtype.kind in "fi":
            np.testing.assert_allclose(made[column], ours[column], rtol=1e-12, err_msg=str(column))
        else:
            assert made[column].fillna("").tolist() == ours[column].fillna("").tolist(), column


@pytest.mark.parametrize("name", NORMALISED)
def test_normaliser_makes_our_table_of_the_original(name: str, shared_data: Path) -> None:
    made = tables.load(name, shared_data / "original")
    ours = tables.load(name, shared_data)
    if name == "isoflops_openathena":  # the original is Llama 3's part
        ours = ours[ours["source"] == "llama_3"].reset_index(drop=True)
    assert_same(made, ours)


def test_routing_takes_the_last_step_of_each_run(tmp_path: Path) -> None:
    raw = pd.DataFrame(
        {
            "hyper_id": [1, 1, 2, 3],
            "step": [20, 10, 5, 7],
            "router_type": ["RL-R", "RL-R", "Hash", "Dense"],
            "loss_validation": [2.0, 3.0, 1.0, 4.0],
        }
    )
    raw.to_csv(tmp_path / "clark-routing.csv.gz", index=False)
    found = tables.load("clark_routing_final", tmp_path)
    assert found["loss_validation"].tolist() == [2.0, 4.0]


def test_every_table_of_a_case_is_declared() -> None:
    from scaling.certify import CASES

    assert {case.data for case in CASES} - {""} <= set(tables.TABLES)  # some have none
    for table in tables.TABLES.values():
        for original in table.originals:
            assert len(original.sha256) == 64
            assert len(original.commit) == 40


def test_folders_without_the_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither tao_vocab.csv nor tao-vocab.csv"):
        tables.load("tao_vocab", tmp_path)
    with pytest.raises(InputError, match=r"neither parscale.csv; the data are from QwenLM"):
        tables.load("parscale", tmp_path)


def test_sets_in_no_plain_table_are_not_downloaded() -> None:
    with pytest.raises(InputError, match=r"not downloaded.*--data"):
        tables.load("porian_optima", None)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The root of a server on loopback that stands in for the repositories, with its own cache."""
    root = tmp_path / "www"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(root))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(tables, "HOST", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield root
    server.shutdown()
    server.server_close()
    thread.join()


def put(root: Path, original: tables.Original, source: Path) -> Path:
    place = root / original.repo / original.commit / original.path
    place.parent.mkdir(parents=True)
    shutil.copy(source, place)
    return place


def test_download_is_checked_and_kept(served: Path, shared_data: Path) -> None:
    (original,) = tables.TABLES["chinchilla_epoch"].originals
    place = put(served, original, shared_data / "original" / original.file)
    found = tables.load("chinchilla_epoch")
    assert_same(found, tables.load("chinchilla_epoch", shared_data))
    place.unlink()  # now from the cache
    assert_same(tables.load("chinchilla_epoch"), found)


def test_a_file_that_is_not_the_one_is_refused(
    served: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables.TABLES["chinchilla_epoch"]
    other = replace(table.originals[0], sha256="0" * 64)
    monkeypatch.setitem(tables.TABLES, table.name, replace(table, originals=(other,)))
    put(served, other, shared_data / "original" / other.file)
    with pytest.raises(InputError, match=r"could not be had.*hash.*--data"):
        tables.load(table.name)


def test_a_server_without_the_file_is_told(served: Path) -> None:
    with pytest.raises(InputError, match=r"tao_vocab: http.*could not be had"):
        tables.load("tao_vocab")
