"""Weights & Biases: offline unless told otherwise, into files that `wandb sync` uploads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from scaling.data.extras import needed
from scaling.grid import Section
from scaling.sweep.trackers.contract import End, Point, Run

NAME = NEEDS = "wandb"
CODES: Mapping[End, int] = {"finished": 0, "failed": 1, "left": 143}  # as of a SIGTERM


class Settings(Section):
    """mode: offline needs no account, online the variable WANDB_API_KEY or `wandb login`. project:
    by default the study's name. folder: of its files, by default DIR/trackers/wandb."""

    mode: Literal["offline", "online"] = "offline"
    project: str | None = None
    entity: str | None = None
    folder: str | None = None


class WandbRun:
    """Curves lie over the column `step`: readings may come later than the losses of their step."""

    def __init__(self, run: Any) -> None:
        self.run = run
        run.define_metric("*", step_metric="step")

    def log(self, points: Sequence[Point]) -> None:
        for step, values in points:
            self.run.log({"step": step, **values})

    def end(self, how: End, summary: Mapping[str, float | str]) -> None:
        self.run.summary.update({f"final/{name}": value for name, value in summary.items()})
        self.run.finish(exit_code=CODES[how])


def begin(settings: Settings, run: Run) -> WandbRun:
    # Nothing goes out that nobody asked for.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    wandb = needed("wandb", "tracker wandb", "trackers")
    assert settings.folder is not None  # `ready` has named it
    folder = Path(settings.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for before in folder.glob(f"wandb/offline-run-*-{run.id}"):
        shutil.rmtree(before, ignore_errors=True)  # its own process may still be at it
    quiet = wandb.Settings(
        silent=True, console="off", disable_git=True, save_code=False,
        x_disable_stats=True, x_disable_meta=True, login_timeout=10,
    )  # fmt: skip
    return WandbRun(
        wandb.init(
            project=settings.project or run.study,
            entity=settings.entity,
            group=run.study,
            id=run.id,
            name=run.name,
            config=dict(run.config),
            dir=str(folder),
            mode=settings.mode,
            resume="allow" if settings.mode == "online" else None,
            reinit="create_new",  # runs of a cohort are open side by side
            settings=quiet,
        )
    )
