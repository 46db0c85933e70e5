"""TensorBoard's event files: what its own library wrote, as its own EventAccumulator reads it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batteries.importers import made
from batteries.tracker_writers import tensorboard as write

from scaling.errors import InputError
from scaling.importers import crc32c
from scaling.importers.tensorboard import read

needed = "needs tensorboard: pip install 'scaling-laws[trackers]'"
event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2", reason=needed)
summary_pb2 = pytest.importorskip("tensorboard.compat.proto.summary_pb2", reason=needed)
tensor_util = pytest.importorskip("tensorboard.util.tensor_util", reason=needed)
EventFileWriter = pytest.importorskip(
    "tensorboard.summary.writer.event_file_writer", reason=needed
).EventFileWriter
Value = summary_pb2.Summary.Value


def accumulated(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Every scalar, by TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return {
        tag: [(each.step, each.wall_time, each.value) for each in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def events_in(folder: Path, *events: Any, suffix: str = "") -> Path:
    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for event in events:
        writer.add_event(event)
    writer.close()
    return folder


def scalar(tag: str, value: float, step: int, time: float = 1.5) -> Any:
    summary = summary_pb2.Summary(value=[Value(tag=tag, simple_value=value)])
    return event_pb2.Event(step=step, wall_time=time, summary=summary)


def tensor(tag: str, value: Any, step: int, plugin: str = "scalars") -> Any:
    """As TensorFlow 2, and Flax with it, writes scalars and texts."""
    one = Value(tag=tag, tensor=tensor_util.make_tensor_proto(value))
    one.metadata.plugin_data.plugin_name = plugin
    return event_pb2.Event(step=step, wall_time=2.5, summary=summary_pb2.Summary(value=[one]))


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("*tfevents*")
    return file


def test_every_value_is_the_one_that_tensorboard_reads(tmp_path: Path) -> None:
    again = made("größe", steps=3000, loss=2.0)
    write(tmp_path, [made("größe", steps=1000), again])
    (run,) = read(str(tmp_path))
    wanted = accumulated(tmp_path / "größe")
    assert set(run.history) == {*wanted, "step", "wall_time"}
    for tag, points in wanted.items():
        values = run.history[tag]
        there = ~np.isnan(values)
        steps, times, expected = zip(*points, strict=True)
        np.testing.assert_array_equal(values[there], expected)
        np.testing.assert_array_equal(run.history["step"][there], steps)
        np.testing.assert_array_equal(run.history["wall_time"][there], times)


def test_a_run_of_more_points_than_tensorboard_keeps_is_read_whole(tmp_path: Path) -> None:
    events = (scalar("loss", 1 / step, step, step / 8) for step in range(1, 15_001))
    events_in(tmp_path, *events)
    (run,) = read(str(tmp_path))
    np.testing.assert_array_equal(run.history["step"], np.arange(1, 15_001))
    expected = (1 / np.arange(1, 15_001)).astype(np.float32).astype(float)
    np.testing.assert_array_equal(run.history["loss"], expected)
    np.testing.assert_array_equal(run.history["wall_time"], np.arange(1, 15_001) / 8)


def test_numbers_of_every_form_and_size(tmp_path: Path) -> None:
    """Tensors of several types, several values in an event, steps of many bytes, other plugins."""
    big = 2**40 + 1
    several = summary_pb2.Summary(
        value=[Value(tag="a", simple_value=1.5), Value(tag="b", simple_value=math.inf)]
    )
    events_in(
        tmp_path,
        *(tensor("double", np.float64(step / 3), step) for step in range(5)),
        *(tensor("float", np.float32(step / 3), step) for step in range(5)),
        *(tensor("count", np.int64(step * 1000), step) for step in range(5)),
        tensor("histogram", np.ones((3, 3)), 4, "histograms"),
        tensor("note", "hello", 4, "text"),
        event_pb2.Event(step=5, wall_time=1.0, summary=several),
        scalar("loss", math.nan, big),
        scalar("loss", 2.0, big + 1),
    )
    (run,) = read(str(tmp_path))
    steps = run.history["step"]
    assert steps.tolist() == [0, 1, 2, 3, 4, 5, big, big + 1]
    np.testing.assert_array_equal(run.history["double"][:5], np.arange(5) / 3)
    np.testing.assert_array_equal(
        run.history["float"][:5], (np.arange(5) / 3).astype(np.float32).astype(float)
    )
    np.testing.assert_array_equal(run.history["count"][:5], np.arange(5) * 1000)
    assert run.history["a"][5] == 1.5
    assert run.history["b"][5] == math.inf
    np.testing.assert_array_equal(run.history["loss"][-2:], [math.nan, 2.0])
    assert "histogram" not in run.history
    assert run.config == {"note": "hello"}


def test_many_tags_of_one_length_are_told_apart(tmp_path: Path) -> None:
    tags = [f"layer/{index:03}/norm" for index in range(100)]
    events_in(
        tmp_path,
        *(scalar(tag, index + step, step) for step in range(20) for index, tag in enumerate(tags)),
    )
    (run,) = read(str(tmp_path))
    for index, tag in enumerate(tags):
        np.testing.assert_array_equal(run.history[tag], index + np.arange(20))


def test_a_session_that_starts_at_a_step_voids_what_came_after_it(tmp_path: Path) -> None:
    start = event_pb2.Event(
        step=6, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    )
    events_in(
        tmp_path,
        *(scalar("loss", 10 + step, step) for step in range(10)),
        start,
        *(scalar("loss", 20 + step, step) for step in range(6, 12)),
    )
    (run,) = read(str(tmp_path))
    assert [(step, value) for step, _, value in accumulated(tmp_path)["loss"]] == list(
        zip(run.history["step"], run.history["loss"], strict=True)
    )
    assert run.history["loss"].tolist() == [*range(10, 16), *range(26, 32)]
    (note,) = run.notes
    assert "restarted at step 6: 4 later points" in note


def test_event_files_of_a_run_follow_each_other_by_their_start(tmp_path: Path) -> None:
    for started, first in ((1_700_000_500, 3), (1_700_000_000, 0)):
        folder = events_in(tmp_path / "made", *(scalar("loss", first, s) for s in range(first, 6)))
        only_file(folder).rename(tmp_path / f"events.out.tfevents.{started}.host.1.0")
    (tmp_path / "made").rmdir()
    (run,) = read(str(tmp_path))
    # The later start has the last word; which of the rows stand is decided by whoever merges them.
    assert run.history["step"].tolist() == [0, 1, 2, 3, 4, 5, 3, 4, 5]
    assert run.history["loss"].tolist() == [0.0] * 6 + [3.0] * 3


def test_readings_that_come_late_belong_to_their_step(tmp_path: Path) -> None:
    losses = [scalar("loss", step, step) for step in range(1, 5)]
    events_in(tmp_path, *losses[:3], scalar("held_out", 9.0, 2), losses[3])
    (run,) = read(str(tmp_path))
    assert run.history["step"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(run.history["held_out"], [math.nan, 9.0, math.nan, math.nan])


def test_settings_are_found_where_trainers_write_them(tmp_path: Path) -> None:
    """The Trainer's and Megatron's texts; PyTorch's folder of hyperparameters below the run's."""
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    config = json.dumps({"n_layer": 2, "rope": {"theta": 1e4}})
    events_in(
        tmp_path / "run",
        tensor("model_config/text_summary", config, 0, "text"),
        tensor("num_layers/text_summary", "12", 0, "text"),
        tensor("sample/text_summary", "Once upon a time " * 50, 0, "text"),
        scalar("loss", 2.0, 1),
    )
    hparams = event_pb2.Event(wall_time=3.0, summary=hparams_pb({"lr": 0.1, "seed": 3, "on": True}))
    events_in(tmp_path / "run" / "1700000000.123", hparams, scalar("hparam/loss", 1.5, 0))
    (run,) = read(str(tmp_path))
    assert run.config == {
        "model_config.n_layer": 2, "model_config.rope.theta": 1e4, "num_layers": 12,
        "lr": 0.1, "seed": 3, "on": True,
    }  # fmt: skip
    assert run.final == {"hparam/loss": 1.5}
    assert run.id == "run"


@pytest.mark.parametrize(
    ("where", "told"),
    [(0.5, "the record there is damaged"), (-2, "the record there is damaged")],
)
def test_a_damaged_file_is_read_up_to_the_damage(where: float, told: str, tmp_path: Path) -> None:
    file = only_file(events_in(tmp_path, *(scalar("loss", s, s) for s in range(1, 501))))
    data = bytearray(file.read_bytes())
    place = int(where * len(data)) if 0 < where < 1 else len(data) + int(where)
    data[place] ^= 1
    file.write_bytes(data)
    (run,) = read(str(tmp_path))
    rows = len(run.history["step"])
    assert 200 < rows < 500
    np.testing.assert_array_equal(run.history["loss"], np.arange(1, rows + 1))
    (note,) = run.notes
    assert told in note
    at = int(note.partition("read up to byte ")[2].partition(":")[0].replace(",", ""))
    assert 0 <= place - at < 60


def test_a_damaged_length_is_no_tear(tmp_path: Path) -> None:
    file = only_file(events_in(tmp_path, *(scalar("loss", s, s) for s in range(1, 501))))
    data = bytearray(file.read_bytes())
    (run,) = read(str(tmp_path))
    length = data.rindex((26).to_bytes(8, "little"))  # of the last record but a few
    data[length + 6] = 0x7F
    file.write_bytes(data)
    (damaged,) = read(str(tmp_path))
    assert damaged.notes == (f"{file.name}: read up to byte {length:,}: what follows is damaged",)
    assert len(damaged.history["step"]) < len(run.history["step"])


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 8, 60, 511, 512, 513, 1500])
def test_sums_are_those_of_tensorboards_own_writer(size: int) -> None:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c as reference

    data = np.random.default_rng(size).bytes(size)
    assert crc32c.of(data) == reference(data)
    if 4 <= size <= crc32c.REACH:
        records = np.frombuffer(data * 3, np.uint8).reshape(3, size)
        assert crc32c.sums(records).tolist() == [reference(data)] * 3
    assert crc32c.of(b"123456789") == 0xE3069283


def test_an_empty_file_stops_no_others(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "events.out.tfevents.1.host").write_bytes(b"")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "events.out.tfevents.1.host").write_bytes(b"not events at all")
    events_in(tmp_path / "c", scalar("loss", 1.0, 1))
    empty, none, run = read(str(tmp_path))
    assert not empty.history
    assert not none.history
    assert "read up to byte 0" in none.notes[0]
    assert run.history["loss"].tolist() == [1.0]
    with pytest.raises(InputError, match="no event files of TensorBoard's"):
        list(read(str(tmp_path / "none")))


def test_a_sound_record_that_is_no_event_is_told(tmp_path: Path) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    with (tmp_path / "events.out.tfevents.1.host").open("wb") as file:
        RecordWriter(file).write(b"\xff\xff\xff no event")
    (run,) = read(str(tmp_path))
    assert "read in parts: a record is no event" in run.notes[0]
