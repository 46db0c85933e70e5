"""W&B's files: what its own library wrote, as its own protobuf classes read it; and damaged."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batteries.importers import made
from batteries.tracker_writers import wandb as write

from scaling.errors import InputError
from scaling.importers import wandb_items
from scaling.importers.contract import LoggedRun
from scaling.importers.wandb import read, recognises
from scaling.importers.wandb_file import HEADER, read_file

pb2 = pytest.importorskip(
    "wandb.proto.wandb_internal_pb2", reason="needs wandb: pip install 'scaling-laws[trackers]'"
)
BLOCK = 32768


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 1,200 rows, over several blocks, by W&B itself."""
    run = replace(made("größe", steps=6000), finished=False)
    run = replace(run, config={**run.config, "nested": {"deep": {"x": 1}}, "none": None, "λ": "é"})
    (file,) = Path(write(tmp_path_factory.mktemp("wandb"), [run])).rglob("*.wandb")
    return file


def records(data: bytes) -> Iterator[Any]:
    """By W&B's own classes; the pieces of each put together here."""
    at, pieces = len(HEADER), b""
    while at < len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        pieces += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield pb2.Record.FromString(pieces)
            pieces = b""


def in_file(path: Path, made_records: Iterable[Any]) -> Path:
    """Records as W&B frames them, each at most a block."""
    data = bytearray(HEADER)
    for record in made_records:
        body = record.SerializeToString()
        left = BLOCK - len(data) % BLOCK
        if left < 7 or left < 7 + len(body):  # not split here: the rest of the block is left out
            data += bytes(left)
        data += struct.pack("<IHB", zlib.crc32(b"\x01" + body), len(body), 1) + body
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def history(**values: Any) -> Any:
    items = [pb2.HistoryItem(nested_key=[k], value_json=json.dumps(v)) for k, v in values.items()]
    return pb2.Record(num=1, history=pb2.HistoryRecord(item=items))


def same(run: LoggedRun, name: str, wanted: list[float]) -> None:
    np.testing.assert_array_equal(run.history[name], wanted)


def test_every_number_is_the_one_that_wandbs_own_classes_read(real: Path) -> None:
    (run,) = read(str(real.parent))
    rows = [
        {".".join(item.nested_key) or item.key: json.loads(item.value_json)
         for item in record.history.item}
        for record in records(real.read_bytes())
        if record.WhichOneof("record_type") == "history"
    ]  # fmt: skip
    assert len(rows) == 1200
    clock = {"_timestamp", "_runtime"}
    assert set(run.history) == {name for row in rows for name in row} - clock
    for name, values in run.history.items():
        np.testing.assert_array_equal(values, [row.get(name, math.nan) for row in rows])
    assert run.config["nested.deep.x"] == 1
    assert run.config["λ"] == "é"
    assert "none" not in run.config
    assert (run.name, run.ended) == ("größe", "crashed")
    assert run.final["train/loss"] == rows[-1]["train/loss"]
    assert run.final["_runtime"] > 0
    assert not run.notes


def test_items_together_are_those_read_one_by_one(real: Path) -> None:
    bodies = [
        record.history.SerializeToString()
        for record in records(real.read_bytes())
        if record.WhichOneof("record_type") == "history"
    ]
    text, found = wandb_items.together(bodies)
    for index in (0, 1, 599, 1199):
        one_by_one = dict(wandb_items.plain(bodies[index]))
        together = {
            name: text[start : start + size]
            for name, values in found.items()
            for row, start, size in zip(values.rows, values.starts, values.sizes, strict=True)
            if row == index
        }
        assert together == one_by_one


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_cut_short_is_read_up_to_the_tear(real: Path, tmp_path: Path, share: float) -> None:
    whole, data = read_file(real), real.read_bytes()
    end = int(share * len(data))
    torn = tmp_path / "run-torn.wandb"
    torn.write_bytes(data[:end])
    run = read_file(torn)
    rows = len(run.history["_step"])
    assert 0 < rows < 1200
    for name, values in run.history.items():
        np.testing.assert_array_equal(values, whole.history[name][:rows])
    (note,) = run.notes
    assert f"the file ends at byte {end:,}, inside a record" in note
    place = int(note.removeprefix("read up to byte ").partition(":")[0].replace(",", ""))
    assert 0 <= end - place < 1000
    assert run.ended == "unstated"


def test_a_damaged_block_costs_what_is_left_of_it(real: Path, tmp_path: Path) -> None:
    whole, data = read_file(real), bytearray(real.read_bytes())
    assert len(data) > 4 * BLOCK
    place = 2 * BLOCK + 20_000
    data[place] ^= 0x40
    broken = tmp_path / "run-broken.wandb"
    broken.write_bytes(data)
    run = read_file(broken)
    (note,) = run.notes
    assert note.startswith("damaged at byte ")
    assert f"to {3 * BLOCK:,} are left out" in note
    steps = set(run.history["_step"])
    lost = sorted(set(whole.history["_step"]) - steps)
    assert 0 < len(lost) < 200
    assert lost == list(np.arange(lost[0], lost[-1] + 5, 5))  # one stretch
    assert run.history["_step"][-1] == whole.history["_step"][-1]
    assert run.ended == "crashed"


def test_zeros_at_the_end_are_told(real: Path, tmp_path: Path) -> None:
    padded = tmp_path / "run-padded.wandb"
    padded.write_bytes(real.read_bytes() + bytes(100_000))
    run = read_file(padded)
    assert len(run.history["_step"]) == 1200
    (note,) = run.notes
    assert "nothing but zeros" in note


def test_items_of_every_form(tmp_path: Path) -> None:
    """Of older files and typed ones, long texts and lengths that look like tags."""
    item = pb2.HistoryItem
    typed = [
        item(nested_key=["integer"], integer=-7), item(nested_key=["number"], number=2.5),
        item(nested_key=["yes"], boolean=True), item(nested_key=["text"], text="words"),
    ]  # fmt: skip
    rows = [
        history(loss=3.0, long="x" * 20_000),
        history(loss=2.5, edge="y" * 128),  # 130 with its quotes: a length of the bytes 82 01
        pb2.Record(num=200, history=pb2.HistoryRecord(item=typed)),
        pb2.Record(history=pb2.HistoryRecord(item=[item(key="loss", value_json="2")])),
        history(train={"loss": 1.5, "step": 4}, image={"_type": "image-file", "width": 10}),
        history(loss=math.nan, done=True),
        history(loss=-math.inf),
        history(),
    ]
    run = read_file(in_file(tmp_path / "run-x.wandb", rows))
    nan = math.nan
    same(run, "loss", [3.0, 2.5, nan, 2.0, nan, nan, -math.inf, nan])
    same(run, "train.loss", [nan] * 4 + [1.5] + [nan] * 3)
    same(run, "integer", [nan, nan, -7, nan, nan, nan, nan, nan])
    same(run, "number", [nan, nan, 2.5, nan, nan, nan, nan, nan])
    same(run, "yes", [nan, nan, 1.0, nan, nan, nan, nan, nan])
    same(run, "done", [nan] * 5 + [1.0, nan, nan])
    assert set(run.history) == {
        "loss", "train.loss", "train.step", "integer", "number", "yes", "done",
    }  # fmt: skip


def test_configuration_and_summary_come_in_pieces(tmp_path: Path) -> None:
    def config(**values: Any) -> list[Any]:
        return [pb2.ConfigItem(key=key, value_json=json.dumps(v)) for key, v in values.items()]

    start = pb2.RunRecord(
        run_id="id7", project="ladder", run_group="small", display_name="first",
        config=pb2.ConfigRecord(update=config(lr=0.1, model={"d": 8, "old": 1}, gone=3)),
    )  # fmt: skip
    start.start_time.FromMilliseconds(1_700_000_000_500)
    later = pb2.ConfigRecord(
        update=config(model={"d": 16}), remove=[pb2.ConfigItem(key="gone", value_json="null")]
    )
    update = [pb2.SummaryItem(key="num_params", value_json="1000")]
    run = read_file(
        in_file(
            tmp_path / "run-id7.wandb",
            [
                pb2.Record(run=start),
                pb2.Record(summary=pb2.SummaryRecord(update=update)),
                *(history(loss=1.0) for _ in range(3)),
                pb2.Record(config=later),
                pb2.Record(exit=pb2.RunExitRecord(exit_code=0)),
            ],
        )
    )
    assert run.config == {
        "lr": 0.1, "model.d": 16, "wandb.project": "ladder", "wandb.group": "small",
    }  # fmt: skip
    assert (run.id, run.name, run.started) == ("id7", "first", 1_700_000_000.5)
    assert run.final == {"num_params": 1000}
    assert run.ended == "finished"


def test_a_folder_without_history_is_refused(tmp_path: Path) -> None:
    summary = tmp_path / "wandb" / "run-1-abc" / "files" / "wandb-summary.json"
    summary.parent.mkdir(parents=True)
    summary.write_text("{}")
    assert not recognises(str(tmp_path))
    with pytest.raises(InputError, match=r"no file run-ID\.wandb, in which W&B keeps .* history"):
        list(read(str(tmp_path)))
    in_file(summary.parents[1] / "run-abc.wandb", [pb2.Record(run=pb2.RunRecord(run_id="abc"))])
    with pytest.raises(InputError, match=r"without a history or a summary \(1 files\)"):
        list(read(str(tmp_path)))


def test_files_that_are_none_say_so_and_stop_no_others(real: Path, tmp_path: Path) -> None:
    (tmp_path / "run-a.wandb").write_bytes(b"")
    (tmp_path / "run-b.wandb").write_bytes(b"PK\x03\x04 a zip")
    (tmp_path / "run-c.wandb").write_bytes(HEADER[:-1] + b"\x07")
    (tmp_path / "run-d.wandb").write_bytes(real.read_bytes())
    *others, whole = read(str(tmp_path))
    assert [run.notes for run in others] == [
        ("not read: the file is empty",),
        ("not read: no file of W&B's",),
        ("not read: version 7 of the file's format; known: 0",),
    ]
    assert [run.id for run in others] == ["a", "b", "c"]
    assert len(whole.history["_step"]) == 1200


def test_a_sound_record_that_is_none_of_wandbs_is_told(tmp_path: Path) -> None:
    body = b"\x08\x01\x12\x04\xff\xff\xff\xff"
    piece = struct.pack("<IHB", zlib.crc32(b"\x01" + body), len(body), 1) + body
    (tmp_path / "run-a.wandb").write_bytes(HEADER + piece)
    run = read_file(tmp_path / "run-a.wandb")
    assert "read in parts: a record is none of W&B's" in run.notes[0]
