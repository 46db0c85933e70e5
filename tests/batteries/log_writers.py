"""Sources of the importers of logs on disk, written by the tools' own libraries."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from batteries.importers import BATCH_TOKENS, MadeRun, Writer


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


WRITERS = {"hf": Writer(hf, needs=("transformers",))}
