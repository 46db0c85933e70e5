"""What befalls a study on Ray: nodes and workers that are lost, drivers that are stopped or killed.

`pytest -m slow tests/sweep/test_ray_faults.py` runs them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from batteries.processes import descendants

from scaling.data import Images
from scaling.grid import Cell, Grid, open_data, parse_grid, plan
from scaling.sweep import executors
from scaling.sweep.executors import ray as ray_module
from scaling.sweep.executors.contract import Executor
from scaling.sweep.run import train
from scaling.sweep.storing.store import Store
from scaling.sweep.work import Trained

ray = pytest.importorskip("ray", reason="Ray is not here: pip install 'scaling-laws[ray]'")
pytestmark = pytest.mark.slow

GRID = """
name = "faults"
data = { source = "digits", eval_images = 64 }
model = { family = "mlp" }
train = { batch_images = 32, warmup_steps = 4 }
pilots = [{ widths = [8, 16], images = [131072, 524288], seeds = [0, 1] }]
"""
EIGHT = """
[devices]
data = 8
hosts = 2
"""
FOUR_EACH = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
# Sums over a batch are taken in another order, nothing else differs.
FLOAT_ERROR = 1e-5
STOP_SECONDS = 10.0
PATIENCE_SECONDS = 300.0


def planned(text: str) -> tuple[Grid, list[Cell]]:
    grid = parse_grid(text)
    data = open_data(grid.data, "image")
    assert isinstance(data, Images)
    return grid, plan(grid, data, "cpu")


def run(
    text: str,
    folder: Path,
    executor: Executor,
    on_event: Callable[[Trained], None] = lambda event: None,
) -> pd.DataFrame:
    grid, cells = planned(text)
    store = Store(folder)
    with executor:
        train(cells, grid.data, store, executor, timings={}, on_event=on_event)
    return store.write_table(cells)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """By the local executor."""
    executor = executors.start("local", {}, workers=2, hang_seconds=300)
    return run(GRID, tmp_path_factory.mktemp("local"), executor)


class Once:
    """Does harm at the first news of a run that is under way."""

    def __init__(self, harm: Callable[[], None]) -> None:
        self.harm, self.done = harm, False

    def __call__(self, event: Trained) -> None:
        if event.step and not self.done:
            self.done = True
            self.harm()


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A cluster of two nodes with a core each, both on this host; how to remove the second."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationMode, get_authentication_mode
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
    monkeypatch.setenv("RAY_worker_niceness", "0")
    if get_authentication_mode() == AuthenticationMode.TOKEN:  # since a Ray of our own was here
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        monkeypatch.setenv("RAY_AUTH_TOKEN", ray_module.token())
    of_each = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(
        initialize_head=True, connect=True, head_node_args={**of_each, "include_dashboard": False}
    )
    second = cluster.add_node(**of_each)
    cluster.wait_for_nodes()
    yield lambda: cluster.remove_node(second, allow_graceful=False)
    ray.shutdown()
    cluster.shutdown()


def test_what_a_removed_node_trained_is_trained_elsewhere(
    two_nodes: Callable[[], None], undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    executor = executors.start("ray", {}, workers=2, hang_seconds=300)
    assert executor.slots == 2
    once = Once(two_nodes)
    table = run(GRID, tmp_path, executor, once)
    assert once.done
    assert sum(node["Alive"] for node in ray.nodes()) == 1
    pd.testing.assert_frame_equal(table, undisturbed, check_exact=True)


def test_what_a_killed_worker_trained_is_trained_again(
    undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    def kill_one() -> None:
        os.kill(actors()[0], signal.SIGKILL)

    once = Once(kill_one)
    executor = executors.start("ray", {}, workers=2, hang_seconds=300)
    table = run(GRID, tmp_path, executor, once)
    assert once.done
    pd.testing.assert_frame_equal(table, undisturbed, check_exact=True)


def test_two_processes_of_four_devices_train_what_one_device_does(tmp_path: Path) -> None:
    small = GRID.replace("[131072, 524288]", "[4096]").replace("[0, 1]", "[0]")
    one = run(small, tmp_path / "1", executors.start("local", {}, workers=1, hang_seconds=300))
    executor = executors.start("ray", {"env_vars": FOUR_EACH}, workers=2, hang_seconds=300)
    eight = run(small + EIGHT, tmp_path / "8", executor)
    assert len(one) == 2
    assert (one["run"] == eight["run"]).all(), "devices are no part of a cell's identity"
    assert one["loss"].to_numpy() == pytest.approx(eight["loss"].to_numpy(), rel=FLOAT_ERROR)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_stopped_or_killed_leaves_nothing_and_is_taken_up(
    how: signal.Signals, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    driver = start(tmp_path)
    wait_until(lambda: any((tmp_path / "study/trunks").glob("*")))
    below = descendants(driver.pid)
    began = time.monotonic()
    if how == signal.SIGINT:
        os.killpg(driver.pid, how)  # as a terminal does
    else:
        driver.send_signal(how)
    told, _ = driver.communicate(timeout=PATIENCE_SECONDS)
    seconds = time.monotonic() - began
    print(f"{how.name}: {seconds:.1f} s; {told.splitlines()[-1]}")
    assert seconds < STOP_SECONDS + 5, told
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
    again = start(tmp_path)
    told, _ = again.communicate(timeout=PATIENCE_SECONDS)
    assert again.returncode == 0, told
    table = pd.read_parquet(tmp_path / "study/table.parquet")
    pd.testing.assert_frame_equal(table, undisturbed, check_exact=True)


def start(folder: Path) -> subprocess.Popen[str]:
    """A driver on a Ray of its own, in a process group of its own."""
    (folder / "grid.toml").write_text(GRID)
    return subprocess.Popen(
        [sys.executable, "-m", "scaling.cli", "run", str(folder / "grid.toml"),
         "--out", str(folder / "study"), "--executor", "ray", "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def actors() -> list[int]:
    return [
        pid
        for pid in descendants(os.getpid())
        if b"ray::Actor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
