"""Worker processes of a stream: the same bits from any number of them, errors, and their end."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batteries.folders import spoil, stream, take

from scaling.errors import InputError

pytest.importorskip("grain", reason="grain is missing: pip install 'scaling-laws[train]'")


def test_the_same_bits_from_any_number_of_workers_and_from_any_step(
    original: Path, cache: Path
) -> None:
    alone = stream(original, cache, workers=0)
    # 90 images, 20 a batch: steps 4 and 9 span two epochs.
    whole = take(alone.train_batches(unique=90, batch=20, seed=3), 12)
    assert len(set(whole)) == 12
    assert whole != take(alone.train_batches(unique=90, batch=20, seed=4), 12)
    for workers, first in ((0, 7), (1, 4), (2, 0)):
        data = stream(original, cache, workers=workers)
        batches = data.train_batches(unique=90, batch=20, seed=3, first_step=first)
        assert take(batches, 12 - first) == whole[first:], (workers, first)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.filterwarnings("ignore:.*is skipped:RuntimeWarning")
def test_too_many_corrupt_images_are_an_error(workers: int, root: Path, cache: Path) -> None:
    victims = spoil(root, "train", 4)
    data = stream(root, cache, corrupt=0.04, workers=workers)
    message = r"4 of 90 images are corrupt, 4.00% may be: .*" + victims[0].name
    with pytest.raises(InputError, match=message):
        list(itertools.islice(data.train_batches(unique=90, batch=30, seed=0), 4))


def test_a_stream_that_is_held_to_the_end_ends_in_silence(original: Path, cache: Path) -> None:
    code = f"""
import pathlib
from scaling.data import images_of
if __name__ == "__main__":
    cache = pathlib.Path({str(cache)!r})
    data = images_of({str(original)!r}, image=16, workers=1, cache=cache)
    batches = data.train_batches(unique=90, batch=20, seed=0)
    next(batches)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_workers_end_with_a_parent_that_is_killed(original: Path, cache: Path) -> None:
    code = f"""
import sys, multiprocessing, pathlib
from scaling.data import images_of
if __name__ == "__main__":
    cache = pathlib.Path({str(cache)!r})
    data = images_of({str(original)!r}, image=16, workers=2, cache=cache)
    batches = data.train_batches(unique=90, batch=20, seed=0)
    next(batches)
    print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)
    sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
