"""Who trains what: claims that only one can make, that die with their holder, and can be taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scaling import files
from scaling.sweep.storing import claims as module
from scaling.sweep.storing.claims import Claims
from scaling.train import stopping

HOLDER = """
import sys, time
from pathlib import Path
from scaling.sweep.storing.claims import Claims

with Claims(Path(sys.argv[1])).hold(["a"]) as mine:
    print(len(mine), flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["folder", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> files.Place:
    return tmp_path if request.param == "folder" else files.folder(f"memory://{tmp_path.name}")


@pytest.fixture(autouse=True)
def _nobody_was_asked() -> None:
    stopping.clear()


def held_elsewhere(folder: files.Place, beat: int, trunk: str = "a", number: int = 1) -> None:
    """A claim of a process on another machine."""
    holder = {"host": "other", "machine": "other boot", "pid": 1, "started": "1", "token": "t"}
    facts = {"holder": holder, "beat": beat, "step": 32, "loss": 2.5}
    files.write(folder / "claims" / f"{trunk}.{number}", json.dumps(facts).encode())


def test_what_one_holds_no_other_gets_until_it_lets_go(folder: files.Place) -> None:
    with Claims(folder).hold(["a", "b"]) as mine:
        assert [claim.trunk for claim in mine] == ["a", "b"]
        with Claims(folder).hold(["b", "c"]) as others:
            assert [claim.trunk for claim in others] == ["c"]
        assert set(Claims(folder).all()) == {"a", "b"}
    assert Claims(folder).all() == {}
    with Claims(folder).hold(["a"]) as mine:
        assert [claim.number for claim in mine] == [1]


def test_of_many_at_once_one_gets_it(folder: files.Place) -> None:
    ready, got = threading.Barrier(8), []

    def take() -> None:
        ready.wait()
        with Claims(folder).hold(["a"]) as mine:
            got.extend(mine)
            ready.wait()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_how_far_the_work_is_stands_in_the_claim(folder: files.Place) -> None:
    with Claims(folder, beat_seconds=0.05).hold(["a"]) as (claim,):
        claim.tell(step=48, loss=1.5)
        until = time.monotonic() + 10
        while (seen := Claims(folder).of("a")) is None or "step" not in seen.facts:
            assert time.monotonic() < until
            time.sleep(0.02)
    assert (seen.facts["step"], seen.facts["loss"]) == (48, 1.5)
    assert seen.holder["pid"] == os.getpid()
    assert seen.facts["cpu"] > 0


def test_a_holder_that_was_killed_here_is_dead_at_once(tmp_path: Path) -> None:
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    study = tmp_path / "study"
    process = subprocess.Popen(
        [sys.executable, str(script), str(study)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    claims = Claims(study)
    seen = claims.of("a")
    assert seen is not None
    assert not claims.is_dead(seen)
    with claims.hold(["a"]) as mine:
        assert mine == []
    process.kill()
    time.sleep(0.2)
    assert claims.is_dead(seen)  # a zombie is as dead as one that is gone
    process.communicate()
    assert claims.is_dead(seen)
    with claims.hold(["a"]) as mine:
        assert [claim.number for claim in mine] == [2]
        assert files.names(study / "claims") == ["a.2"]  # the old one is cleared away
    assert files.names(study / "claims") == []


def test_a_holder_elsewhere_is_dead_after_a_lease_without_a_beat(folder: files.Place) -> None:
    claims = Claims(folder, lease_seconds=0.3)
    held_elsewhere(folder, 0)
    first = claims.all()["a"]
    assert not claims.is_dead(first)
    time.sleep(0.2)
    held_elsewhere(folder, 1)
    second = claims.all()["a"]
    assert not claims.is_dead(second)
    time.sleep(0.2)
    assert not claims.is_dead(second)  # it is the beat that counts
    time.sleep(0.2)
    assert claims.is_dead(claims.all()["a"])
    with Claims(folder).hold(["a"]) as mine:
        assert mine == []  # who has not watched it cannot tell
    with Claims(folder).hold(["a"], dead={"a": 1}) as mine:
        assert [claim.number for claim in mine] == [2]


def test_what_was_watched_die_but_lives_on_under_another_number_is_not_taken(
    folder: files.Place,
) -> None:
    held_elsewhere(folder, 0, number=2)
    with Claims(folder).hold(["a"], dead={"a": 1}) as mine:
        assert mine == []


def test_a_clock_that_jumps_kills_no_claim(
    folder: files.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(folder)
    held_elsewhere(folder, 0)
    assert not claims.is_dead(claims.all()["a"])
    day = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: day)
    monkeypatch.setattr(time, "time_ns", lambda: int(day * 1e9))
    assert not claims.is_dead(claims.all()["a"])
    with claims.hold(["b"]) as mine:
        assert not Claims(folder).is_dead(Claims(folder).all()["b"])
        assert len(mine) == 1


def test_who_was_taken_over_is_asked_to_let_go_and_then_forgets_it(folder: files.Place) -> None:
    with Claims(folder, beat_seconds=0.05).hold(["a"]) as mine:
        assert len(mine) == 1
        held_elsewhere(folder, 0, number=2)
        until = time.monotonic() + 10
        while stopping.asked() is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert stopping.asked() == "trunk a was taken over"
        assert not stopping.saves()
    assert stopping.asked() is None
    assert files.names(folder / "claims") == ["a.2"]


@pytest.mark.parametrize(
    "damage", [b"", b"[1]", b'{"holder": 7}', b"\xff\x00", b'{"holder": {"pid']
)
def test_a_damaged_claim_dies_in_its_time(folder: files.Place, damage: bytes) -> None:
    files.write(folder / "claims" / "a.1", damage)
    files.write(folder / "claims" / "notes", b"nobody's claim")
    claims = Claims(folder, lease_seconds=0.1)
    seen = claims.of("a")
    assert seen is not None
    assert not claims.is_dead(seen)
    time.sleep(0.15)
    assert claims.is_dead(claims.all()["a"])
    with claims.hold(["a"]) as mine:
        assert len(mine) == 1


def test_a_disk_that_refuses_a_beat_harms_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def refuse(*_: object) -> None:
        refused.append(1)
        raise OSError(28, "No space left on device")

    with Claims(tmp_path, beat_seconds=0.02).hold(["a"]):
        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.replace", refuse)
            time.sleep(0.2)
        assert refused
        assert stopping.asked() is None
    assert module.Claims(tmp_path).all() == {}
