"""Sources of the importers of logs on disk, written by the tools' own libraries."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from batteries.importers import BATCH_TOKENS, MadeRun, Writer
from batteries.printed_logs import nanogpt_log


@cache
def _transformers() -> Any:
    """Without torch, which would take seconds to load and writes none of these files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)
        import transformers
        import transformers.modelcard
        import transformers.trainer_callback
    return transformers


def hf(folder: Path, runs: Sequence[MadeRun]) -> str:
    """An output_dir a run, with a state, the model's config and the card; of a run that was taken
    up again the checkpoint that the first start reached, too."""
    tool = _transformers()
    for name, starts in groupby(runs, key=lambda run: run.name):
        rows: list[dict[str, float]] = []
        for run in starts:
            state = tool.trainer_callback.TrainerState(max_steps=run.points[-1][0])
            rows = [row for row in rows if row["step"] < run.points[0][0]] + _hf_rows(run)
            state.log_history, state.global_step = rows, run.points[-1][0]
            checkpoint = folder / name / f"checkpoint-{state.global_step}"
            checkpoint.mkdir(parents=True)
            state.save_to_json(checkpoint / "trainer_state.json")
        tool.GPT2Config(**run.config).save_pretrained(folder / name)
        asked = {key: run.config[key] for key in ("learning_rate", "seed")}
        card = tool.modelcard.TrainingSummary(
            model_name=name, hyperparameters=asked
        ).to_model_card()
        (folder / name / "README.md").write_text(card)
    return str(folder)


def _hf_rows(run: MadeRun) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    for step, loss, held_out in run.points:
        seen = {"step": step, "num_input_tokens_seen": step * BATCH_TOKENS}
        rows.append({"loss": loss, **seen})
        if step in run.held_out or (math.isnan(loss) and math.isnan(held_out)):
            rows.append({"eval_loss": held_out, **seen})
    return rows


def log(folder: Path, runs: Sequence[MadeRun]) -> str:
    """A file a run, as nanoGPT prints it: the script can't be run here (see printed_logs)."""
    for name, starts in groupby(runs, key=lambda run: run.name):
        (folder / f"{name}.log").write_text(nanogpt_log(list(starts)))
    return str(folder)


def olmo(folder: Path, runs: Sequence[MadeRun]) -> str:
    """As MetricSaverCallback and ConfigSaverCallback store them, which need torch; what they wrote
    themselves is read by test_olmo."""
    for run in runs:
        place = folder / run.name
        last = place / f"step{run.points[-1][0]}"
        last.mkdir(parents=True)
        (last / "config.json").write_text(json.dumps({"model": run.config}))
        for step, loss, held_out in run.points:
            if step % 10 == 0:
                seen = {"train/CE loss": loss, "throughput/total tokens": step * BATCH_TOKENS}
                metrics = {**seen, "eval/lm/c4_en-validation/CE loss": held_out}
                (place / f"metrics_step{step}.json").write_text(json.dumps(metrics))
    return str(folder)


def levanter(folder: Path, runs: Sequence[MadeRun]) -> str:
    """As the JSON logger says them, which no one environment has beside transformers 5; what it
    said itself is read by test_levanter."""
    for run in runs:
        events: list[dict[str, object]] = [{"event": "hparams", "hparams": {"model": run.config}}]
        for step, loss, held_out in run.points:
            tokens = {"total_tokens": step * BATCH_TOKENS}
            metrics: dict[str, object] = {"train/loss": loss, "throughput": tokens}
            if step % 10 == 0:
                metrics["eval"] = {"loss": held_out}
            events.append({"event": "log", "step": step, "metrics": metrics})
        with (folder / f"{run.name}.log").open("a") as log:
            for event in events:
                log.write(f"I worker {json.dumps({'tracker': 'json_logger', **event})}\n")
    return str(folder)


WRITERS = {
    "hf": Writer(hf, needs=("transformers",)),
    "log": Writer(log, digits=4),
    "olmo": Writer(olmo, damaged=lambda source: Path(source) / "a" / "metrics_step40.json"),
    "levanter": Writer(levanter),
}
