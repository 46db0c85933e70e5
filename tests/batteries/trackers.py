"""Runs as trackers stored them, read back by the trackers' own readers; and a run to tell of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scaling.grid import CHUNK_STEPS, Cell
from scaling.train.telemetry import Chunk, means

Curve = dict[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class Stored:
    """A run as it was read back. curve: of each name, points in the order in which they came."""

    config: dict[str, Any]
    curve: Curve
    status: str
    how: str  # in the tracker's own words


def chunk(first: int, seed: int = 0) -> Chunk:
    """A chunk with losses of its own; blocks are left out."""
    generator = np.random.default_rng([first, seed])
    loss, norm, rate = generator.uniform(1, 2, (3, CHUNK_STEPS)).astype(np.float32)
    nothing = np.zeros(CHUNK_STEPS)
    blocks = np.zeros(0, np.float32)
    return Chunk(
        first, loss, norm, rate, nothing.astype(bool), nothing.astype(np.int32), blocks, blocks,
        blocks, float("nan"),
    )  # fmt: skip


def record(cell: Cell, status: str = "finished") -> dict[str, Any]:
    loss = 1.5 if status == "finished" else float("nan")
    return {**cell.facts(), "loss": loss, "steps": cell.steps, "status": status, "reason": "why",
            "best_loss": 1.25}  # fmt: skip


def expected(chunks: list[Chunk], readings: dict[int, float], last: int) -> Curve:
    """What a tracker holds of a finished run, each point once."""
    curve: Curve = {name: [] for name in ("loss", "grad_norm", "learning_rate")}
    for each in chunks:
        for name, value in means(each).items():
            curve[name].append((each.last_step, value))
    return {**curve, "held_out": [*sorted(readings.items()), (last, 1.5)]}


def read(name: str, folder: Path, study: str) -> dict[str, Stored]:
    """All runs that the tracker of that name holds, by cell."""
    return READERS[name](folder, study)


def _tensorboard(folder: Path, study: str) -> dict[str, Stored]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.util.tensor_util import make_ndarray

    found = {}
    for run in (folder / "trackers" / "tensorboard").iterdir():
        events = EventAccumulator(str(run), size_guidance={"scalars": 0})
        events.Reload()
        curve = {
            tag: [(event.step, event.value) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
            if not tag.startswith("final/")
        }
        told = events.PluginTagToContent("hparams")
        start = metadata.parse_session_start_info_plugin_data(told[metadata.SESSION_START_INFO_TAG])
        config = {
            key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()
        }
        how = status = ""
        if metadata.SESSION_END_INFO_TAG in told:
            end = metadata.parse_session_end_info_plugin_data(told[metadata.SESSION_END_INFO_TAG])
            how = Status.Name(end.status)
            (status,) = make_ndarray(events.Tensors("status")[0].tensor_proto)
            status = status.decode()
        found[start.group_name] = Stored(config, curve, status, how)
    return found


def _mlflow(folder: Path, study: str) -> dict[str, Stored]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient((folder / "trackers" / "mlflow" / "runs").as_uri())
    experiment = client.get_experiment_by_name(study)
    found: dict[str, Stored] = {}
    for run in client.search_runs([experiment.experiment_id]):
        names = [name for name in run.data.metrics if not name.startswith("final/")]
        curve = {
            name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
            for name in names
        }
        tags = run.data.tags
        assert tags["scaling.cell"] not in found
        found[tags["scaling.cell"]] = Stored(
            run.data.params, curve, tags.get("status", ""), run.info.status
        )
    return found


def _trackio(folder: Path, study: str) -> dict[str, Stored]:
    from trackio.sqlite_storage import SQLiteStorage

    found = {}
    for run in SQLiteStorage.get_run_records(study):
        rows = SQLiteStorage.get_logs(study, run["name"], run_id=run["id"])
        curve: Curve = {}
        status = ""
        for row in rows:
            status = row.get("final/status", status)
            for name in set(row) - {"step", "timestamp"}:
                if not name.startswith("final/"):
                    curve.setdefault(name, []).append((row["step"], row[name]))
        config = SQLiteStorage.get_run_config(study, run["name"], run_id=run["id"])
        found[run["id"]] = Stored(config, curve, status, status)
    return found


READERS = {"tensorboard": _tensorboard, "mlflow": _mlflow, "trackio": _trackio}


def wandb_files(folder: Path) -> dict[str, Path]:
    """Offline runs by cell: their files, which only Weights & Biases' own program can read."""
    runs = list((folder / "trackers" / "wandb" / "wandb").glob("offline-run-*"))
    found = {run.name.rpartition("-")[2]: run / f"run-{run.name.rpartition('-')[2]}.wandb"
             for run in runs}  # fmt: skip
    assert len(found) == len(runs)  # one a cell
    return found


def listening() -> set[str]:
    """Addresses at which this process or its children listen (Linux)."""
    owned = set()
    for pid in _family(Path("/proc/self").resolve().name):
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                owned.add(handle.readlink().name)
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and f"socket:[{parts[9]}]" in owned:
                found.add(parts[1])
    return found


def _family(pid: str) -> list[str]:
    children = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        children += tasks.read_text().split()
    return [pid, *(one for child in children for one in _family(child))]
