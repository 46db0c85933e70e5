"""`scaling watch` as it is called: beside a real sweep, through a pipe, behind a URL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from batteries.running import Running, files_of
from batteries.sources import prose
from typer.testing import CliRunner

from scaling import files
from scaling.cli import app
from scaling.errors import InputError

GRID = """
name = "tiny"
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
widths = [8]
tokens = [8192, 16384, 131072]
"""
COMMAND = [sys.executable, "-W", "error", "-m", "scaling.cli"]


def started(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def printed(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["watch", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.slow
def test_beside_a_real_sweep_from_before_it_begins_until_it_is_done(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="needs scaling-laws[train]")
    (tmp_path / "text").mkdir()
    for n in range(8):
        (tmp_path / "text" / f"{n}.txt").write_text(prose(n))
    grid, folder = tmp_path / "grid.toml", tmp_path / "study"
    grid.write_text(GRID.format(folder=tmp_path / "text"))
    folder.mkdir()
    watch = started("watch", folder, "--every", 0.1, "--json")
    assert watch.stdout is not None
    looks: list[dict[str, Any]] = [json.loads(watch.stdout.readline())]
    cache = {"SCALING_CACHE": str(tmp_path / "cache")}
    sweep = started("run", grid, "--out", folder, "--workers", 1, **cache)
    rest, errors = watch.communicate(timeout=120)
    told, failed = sweep.communicate(timeout=60)
    assert (watch.returncode, errors) == (0, "")
    assert sweep.returncode == 0, failed
    looks += map(json.loads, rest.splitlines())
    states = [look["state"] for look in looks]
    assert states[0] == "not begun"
    assert states[-1] == "done"
    assert "running" in states
    finished = [look["cells"]["finished"] for look in looks if look["study"]]
    assert finished == sorted(finished)
    assert (finished[0], finished[-1]) == (0, 3)
    at_work = [one for look in looks if look["study"] for one in look["running"]]
    assert all(one["alive"] for one in at_work)
    # the sweep's own folder: what it would hold without anybody looking on
    assert "run table: " in told
    assert not (folder / "claims").exists() or not list((folder / "claims").iterdir())


def test_through_a_pipe_one_view_is_printed(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(20)
    before = list(files_of(study.folder))
    for options in ([], ["--once"], ["--price", "2"]):
        text = printed(study.folder, *options)
        assert "20 of 33 cells done" in text
        assert ("cost left: " in text) == ("--price" in options)
    told = printed(study.folder, "--json", "--once")
    assert told.count("\n") == 1
    assert json.loads(told)["cells"]["finished"] == 20
    assert list(files_of(study.folder)) == before


def test_json_of_a_diverged_run_has_no_nan(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(3, status="diverged", reason="loss nan", loss=float("nan"))
    study.claim(str(study.rows[6]["trunk"]), 5, float("nan"))
    look = json.loads(printed(study.folder, "--json", "--once"))
    assert look["running"][0]["loss"] is None
    assert look["why_not"]


def test_a_study_behind_a_url_is_watched_alike(place: Any, tmp_path: Path) -> None:
    study = Running(tmp_path / "here")
    study.finish(12)
    study.claim(str(study.rows[0]["trunk"]), 500, 2.0)
    for path in study.folder.rglob("*"):
        if path.is_file():
            files.write(place / str(path.relative_to(study.folder)), path.read_bytes())
    near, far = (json.loads(printed(p, "--json", "--once")) for p in (study.folder, place))
    for look in (near, far):
        look.update(at="", folder="", running=[{**r, "told_seconds": 0} for r in look["running"]])
    assert far == near
    assert far["state"] == "running"


@pytest.mark.parametrize("url", [False, True])
def test_no_such_folder_is_one_error(tmp_path: Path, url: bool) -> None:
    where = "memory://nowhere/at-all" if url else str(tmp_path / "none")
    with pytest.raises(InputError, match=f"^{where}: no such folder; a study's folder or URL"):
        printed(where)


def test_lines_follow_a_study_from_before_it_begins_until_it_is_done(tmp_path: Path) -> None:
    with started("watch", tmp_path, "--every", 0.1, "--json") as watch:
        until(watch, "not begun", 0)
        study = Running(tmp_path, targets=False)
        study.finish(16)
        until(watch, "idle", 16)
        study.claim(str(study.rows[0]["trunk"]), 500, 2.0)
        until(watch, "running", 16)
        study.release()
        study.finish(16)
        last = until(watch, "done", 32)
        assert last["laws"][0]["runs"] == 32
        assert last["forecasts"][0]["forecasts"][-1]["runs"] == 32
        assert watch.wait(60) == 0


def until(watch: subprocess.Popen[str], state: str, finished: int) -> dict[str, Any]:
    """The first look that finds it so."""
    assert watch.stdout is not None
    for line in watch.stdout:
        look: dict[str, Any] = json.loads(line)
        there = look["cells"]["finished"] if look["study"] else 0
        if (look["state"], there) == (state, finished):
            return look
    pytest.fail(f"it ended before {finished} were finished: {watch.communicate()[1]}")


def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    watch = started("watch", Running(tmp_path / "study").folder, "--json", "--every", 600)
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline())["state"] == "idle"
    watch.send_signal(signal.SIGINT)
    out, errors = watch.communicate(timeout=60)
    assert (watch.returncode, out, errors) == (130, "", "")
