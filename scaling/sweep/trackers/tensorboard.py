"""TensorBoard: a folder of event files a run, by TensorBoard's own writer; no TensorFlow."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling.data.extras import needed
from scaling.grid import Section
from scaling.sweep.trackers.contract import End, Point, Run

NAME = NEEDS = "tensorboard"


class Settings(Section):
    """folder: for `tensorboard --logdir`; by default DIR/trackers/tensorboard."""

    folder: str | None = None


class EventFiles:
    """A run's folder. What a run of the same name left there goes."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.events = _part("compat.proto.event_pb2")
        self.summaries = _part("compat.proto.summary_pb2")
        shutil.rmtree(folder, ignore_errors=True)
        self.writer = _part("summary.writer.event_file_writer").EventFileWriter(str(folder))
        self._add(_part("plugins.hparams.summary_v2").hparams_pb(dict(run.config), run.id))
        self.writer.flush()
        self.last = 0

    def log(self, points: Sequence[Point]) -> None:
        for step, values in points:
            self.last = max(self.last, step)
            self._scalars(step, values)
        self.writer.flush()

    def end(self, how: End, summary: Mapping[str, float | str]) -> None:
        numbers = {f"final/{k}": v for k, v in summary.items() if not isinstance(v, str)}
        self._scalars(self.last, numbers)
        for name, text in summary.items():
            if isinstance(text, str):
                self._text(name, text)
        if how != "left":
            self._session_end(how)
        self.writer.close()

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        value = self.summaries.Summary.Value
        scalars = [value(tag=tag, simple_value=number) for tag, number in values.items()]
        self._add(self.summaries.Summary(value=scalars), step)

    def _text(self, name: str, text: str) -> None:
        self._tensor(
            name,
            _part("plugins.text.metadata").create_summary_metadata(name, ""),
            _part("util.tensor_util").make_tensor_proto([text]),
        )

    def _session_end(self, how: End) -> None:
        """What the page of hyperparameters shows as the run's status."""
        metadata = _part("plugins.hparams.metadata")
        api, data = _part("plugins.hparams.api_pb2"), _part("plugins.hparams.plugin_data_pb2")
        status = api.STATUS_SUCCESS if how == "finished" else api.STATUS_FAILURE
        ended = data.SessionEndInfo(status=status, end_time_secs=time.time())
        told = metadata.create_summary_metadata(data.HParamsPluginData(session_end_info=ended))
        self._tensor(metadata.SESSION_END_INFO_TAG, told, metadata.NULL_TENSOR)

    def _tensor(self, tag: str, metadata: Any, tensor: Any) -> None:
        value = self.summaries.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        self._add(self.summaries.Summary(value=[value]), self.last)

    def _add(self, summary: Any, step: int = 0) -> None:
        self.writer.add_event(self.events.Event(summary=summary, step=step, wall_time=time.time()))


def begin(settings: Settings, run: Run) -> EventFiles:
    assert settings.folder is not None  # `ready` has named it
    return EventFiles(Path(settings.folder) / run.name, run)


def _part(name: str) -> Any:
    return needed(f"tensorboard.{name}", "tracker tensorboard", "trackers")
