"""Every importer, on sources that its tool's own library wrote, whole, damaged and odd."""

from __future__ import annotations

import math
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from batteries.importers import BATCH_TOKENS, BODY, NAN, MadeRun, Writer, made
from batteries.writers import NO_TRAINING, WRITERS

from scaling import importers
from scaling.errors import InputError
from scaling.importers.contract import LoggedRun
from scaling.importing import import_runs
from scaling.table import check_table


@pytest.fixture(params=sorted(WRITERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def writer(name: str) -> Writer:
    return WRITERS[name]


def read(name: str, source: str) -> list[LoggedRun]:
    return list(importers.get(name).read(source))


def losses(name: str, run: LoggedRun) -> dict[int, float]:
    """The held-out losses of a run by step, by the names that its importer declares."""
    usual = importers.get(name).USUAL

    def series(ours: str) -> np.ndarray:
        (found, *_) = [
            key for pattern in usual[ours] for key in run.history if fnmatchcase(key, pattern)
        ]
        return run.history[found]

    step, loss = series("step"), series("loss")
    return {int(s): float(v) for s, v in zip(step, loss, strict=True) if not math.isnan(v)}


def test_every_importer_is_in_the_battery() -> None:
    assert set(importers.names()) == set(WRITERS) | NO_TRAINING


def test_runs_are_read_as_they_were_logged(name: str, writer: Writer, tmp_path: Path) -> None:
    runs = [made("a"), made("b", loss=2.5, seed=1)][: 1 if "several" in writer.cannot else 2]
    source = writer.written(tmp_path / "source", runs)
    assert importers.recognised(source) == name
    found = sorted(read(name, source), key=lambda run: losses(name, run)[40], reverse=True)
    assert [losses(name, run).keys() for run in found] == [run.held_out.keys() for run in runs]
    for got, logged in zip(found, runs, strict=True):
        assert losses(name, got) == pytest.approx(logged.held_out, abs=10.0**-writer.digits)
        lengths = {len(values) for values in got.history.values()}
        assert len(lengths) == 1
        assert got.origin
        if "config" not in writer.cannot:
            texts = {key.rpartition(".")[2]: str(value) for key, value in got.config.items()}
            assert texts.items() >= {k: str(v) for k, v in logged.config.items()}.items()
    df = import_runs([source]).df.sort_values("loss", ascending=False)
    check_table(df)
    assert df["loss"].tolist() == pytest.approx([run.held_out[40] for run in runs], abs=1e-3)
    assert set(df["N"]) == {BODY}  # counted from the configuration, whatever was logged
    assert set(df["D"]) == {40 * BATCH_TOKENS}
    assert (set(df["status"]), set(df["N_kind"])) == ({"finished"}, {"non_embedding"})


def test_names_of_any_script_are_kept(name: str, writer: Writer, tmp_path: Path) -> None:
    if "names" in writer.cannot:
        pytest.skip("its files hold no name of a run")
    source = writer.written(tmp_path / "größe", [made("größe-模型-λ")])
    (run,) = read(name, source)
    assert "größe-模型-λ" in {run.name, run.id}


def test_a_source_that_ends_too_soon_is_read_up_to_there(
    name: str, writer: Writer, tmp_path: Path
) -> None:
    whole = made("a", steps=4000)
    source = writer.written(tmp_path / "source", [whole])
    path = writer.damaged(source) if writer.damaged else _largest(Path(source))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    try:
        found = read(name, source)
    except InputError as error:  # nothing can be read of such a file when it is cut short
        told = str(error)
        assert path.name in told
        return
    (run,) = found
    got = losses(name, run)
    assert 0 < len(got) < len(whole.held_out)
    assert got == pytest.approx(
        {s: v for s, v in whole.held_out.items() if s in got}, abs=10.0**-writer.digits
    )
    assert any(run.notes)


def _largest(path: Path) -> Path:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return max(files, key=lambda each: each.stat().st_size)


def test_an_empty_source_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    for source in (tmp_path / "nothing", tmp_path / "empty"):
        if source.name == "empty":
            source.mkdir()
        with pytest.raises(InputError, match=source.name):
            read(name, str(source))


def test_a_loss_that_is_no_number_stays_none(name: str, writer: Writer, tmp_path: Path) -> None:
    if "nan" in writer.cannot:
        pytest.skip("its files hold no NaN")
    run = made("a")
    run = replace(run, points=(*run.points[:-4], *((s, NAN, NAN) for s, _, _ in run.points[-4:])))
    source = writer.written(tmp_path / "source", [run])
    (found,) = read(name, source)
    assert losses(name, found) == pytest.approx(run.held_out, abs=10.0**-writer.digits)
    table = import_runs([source])
    assert table.df["status"].tolist() == ["diverged"]
    assert "no number after step 20" in table.account.not_finished[0].reason


def test_a_run_taken_up_again_keeps_its_id(name: str, writer: Writer, tmp_path: Path) -> None:
    if "restarts" in writer.cannot:
        pytest.skip("its files hold no second start of a run")
    first = made("a", steps=30)
    again = MadeRun("a", tuple(p for p in made("a", loss=2.0).points if p[0] > 20), first.config)
    source = writer.written(tmp_path / "source", [first, again])
    found = read(name, source)
    assert len({run.id for run in found}) == 1
    merged = {step: loss for run in found for step, loss in losses(name, run).items()}
    assert merged[40] == pytest.approx(again.held_out[40], abs=10.0**-writer.digits)
    table = import_runs([source])
    (row,) = table.df.to_dict("records")
    assert row["loss"] == pytest.approx(again.held_out[40], abs=10.0**-writer.digits)
    assert row["status"] == "finished"
    assert len(found) == 1 or table.account.merged  # some tools' files hold the later start alone
