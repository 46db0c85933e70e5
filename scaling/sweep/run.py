"""Trains what is not yet done: cells by trunk, over the executor, into the store."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling import devices
from scaling.data.corpus import cache_folder
from scaling.errors import InputError
from scaling.grid import Cell, Data, canonical_json, open_data
from scaling.sweep import hosts, local
from scaling.sweep.cohorts import cohorts
from scaling.sweep.lost import give_up
from scaling.sweep.plan import CellCost, by_length, costs
from scaling.sweep.store import Store
from scaling.train import distributed
from scaling.train.findings import Finding
from scaling.train.trajectory import Trend

if TYPE_CHECKING:
    from scaling.train.course import OnChunk
    from scaling.train.outcome import Outcome

MOST_LIKE = 8  # runs whose curves make a trend


@dataclass(frozen=True)
class Trained:
    """A progress event: `record` where a cell has just finished or was given up, else `steps` more
    of a trunk, which end at `step`."""

    trunk: str
    steps: int
    loss: float
    record: dict[str, Any] | None = None
    findings: tuple[Finding, ...] = ()
    step: int = 0


def train(
    cells: list[Cell],
    data: Data,
    store: Store,
    *,
    workers: int,
    timings: dict[str, dict[str, float]],
    on_event: Callable[[Trained], None] = lambda event: None,
) -> None:
    """Train every cell of `cells` that the store lacks, or that failed. Records are stored by the
    workers, and for those whose workers die or hang at every attempt, here."""
    known = costs(cells, timings)
    done = store.done(cells)
    groups, _ = by_length(cells, known)
    # Finished cells stay in their group only to be skipped: the trunk resumes behind them.
    left = [[c for c in group if c.id not in done] for group in groups]
    left = [group for group in left if group]
    if not left:
        return
    _need_jax()
    # On a CPU a program of several runs loses to one after another (benchmarks/cohort.py).
    together = [[group] for group in left] if devices.platform() == "cpu" else cohorts(left)
    like = _like(cells)
    tasks = [
        (
            groups,
            data,
            store.folder,
            {c.id: known[c.id] for group in groups for c in group},
            {group[0].trunk: like[group[0].trunk] for group in groups},
        )
        for groups in together
    ]
    seen: dict[str, int] = {}

    def on_message(event: Trained) -> None:
        seen[event.trunk] = max(event.step, seen.get(event.trunk, 0))
        on_event(event)

    def on_lost(lost: local.Lost) -> None:
        for group in together[lost.index]:
            trunk = group[0].trunk
            for record in give_up(store, group, lost, seen.get(trunk, 0), known):
                on_event(Trained(trunk, 0, float("nan"), record))

    if distributed.joined():
        hosts.execute(_train_groups, tasks, on_message=on_message)
    else:
        recovery = cells[0].recovery
        local.execute(
            _train_groups,
            tasks,
            workers=min(workers, len(tasks)),
            on_message=on_message,
            on_lost=on_lost,
            retries=recovery.retries,
            hang_seconds=recovery.hang_seconds,
        )
    store.clean()


def _like(cells: list[Cell]) -> dict[str, list[str]]:
    """Of each trunk: the longest cells of its like, of one size, batch and training set."""
    longest = {cell.trunk: cell for cell in sorted(cells, key=lambda cell: cell.steps)}
    rungs: dict[Any, list[Cell]] = defaultdict(list)

    def rung(cell: Cell) -> Any:
        return cell.family, canonical_json(cell.shape.to_dict()), cell.batch, cell.D_unique

    for cell in longest.values():
        rungs[rung(cell)].append(cell)
    return {
        trunk: [other.id for other in rungs[rung(cell)] if other.trunk != trunk][:MOST_LIKE]
        for trunk, cell in longest.items()
    }


def calibrate(cells: list[Cell], data: Data, *, workers: int) -> dict[str, dict[str, float]]:
    """Timings of every shape in `cells`: cached ones, and the missing ones measured now."""
    _need_jax()
    from scaling.train import calibrate as stopwatch

    timings = stopwatch.known(cells)
    missing = {c.timing_key: c for c in cells if c.timing_key not in timings}
    if missing:

        def keep(pair: tuple[str, dict[str, float]]) -> None:
            """At once: what an interrupted calibration has measured is not measured again."""
            timings.update([pair])
            stopwatch.remember(dict([pair]))

        local.execute(
            _calibrate_cell,
            [(cell, data) for cell in missing.values()],
            workers=min(workers, len(missing)),
            on_result=keep,
        )
    return timings


def _need_jax() -> None:
    """Raise InputError on a light install: plans are made there, but nothing is measured."""
    if find_spec("jax") is None:
        raise InputError(
            "to measure and train, JAX is needed: pip install 'scaling-laws[train]' "
            "(without it, `scaling plan` counts FLOPs and memory)"
        )


def _calibrate_cell(cell: Cell, data: Data) -> tuple[str, dict[str, float]]:
    prepare_jax()
    from scaling.train import calibrate as stopwatch
    from scaling.train.measure import peak_flops

    peak_flops(cell.use().precision)  # kept for the runs, whose time it is not
    return cell.timing_key, stopwatch.measure(cell, open_data(data, cell.unit))


def _train_groups(
    groups: list[list[Cell]],
    data: Data,
    folder: Path,
    known: dict[str, CellCost],
    like: dict[str, list[str]],
) -> None:
    """like: of each trunk, cells that it is compared with, as far as they are finished."""
    prepare_jax()
    from scaling.train.cohort import train_cohort
    from scaling.train.telemetry import frame

    store = Store(folder)

    def on_cell(cell: Cell, outcome: Outcome) -> None:
        record = {
            **cell.facts(),
            "loss": outcome.loss,
            "loss_se": outcome.loss_se,
            "train_loss": outcome.train_loss,
            **outcome.metrics,
            "status": outcome.status,
            "reason": outcome.reason,
            "steps": cell.steps,
            "best_loss": outcome.best_loss,
            "best_step": outcome.best_step,
            "skipped_steps": outcome.log.skipped,
            "rewinds": len(outcome.log.rewinds),
            "findings": [finding.to_dict() for finding in outcome.log.findings],
            "microbatch": outcome.microbatch,
            f"batch_{cell.unit}s": cell.batch,
            "flops_spent": outcome.steps_trained * cell.batch * cell.shape.training_flops(),
            "seconds": outcome.seconds,
            "cpu_seconds": outcome.cpu_seconds,
            **_costs(cell, outcome, known[cell.id], store.checkpoint(cell.trunk)),
            "started_at": outcome.started_at,
            "trained_at": outcome.trained_at,
            "data": cell.data,
            "machine": machine(),
        }
        if np.isfinite(logits := [c.attention_logit for c in outcome.chunks]).any():
            record["attention_logit"] = float(np.fmax.reduce(logits))  # the largest of the run
        if outcome.steps < cell.steps:  # stopped early: what the weights have seen
            record |= cell.at(outcome.steps).counts()
        curve = frame(
            outcome.chunks,
            outcome.blocks,
            unit=cell.unit,
            batch=cell.batch,
            held_out=outcome.log.held_out,
        )
        store.save(cell, record, curve)
        local.send(Trained(cell.trunk, 0, outcome.loss, record))

    def on_chunk(cell: Cell) -> OnChunk:
        return lambda chunk, findings, log: local.send(
            Trained(
                cell.trunk,
                len(chunk.loss),
                float(chunk.loss[-1]),
                findings=tuple(findings),
                step=chunk.last_step,
            )
        )

    train_cohort(
        groups,
        open_data(data, groups[0][0].unit),
        checkpoint_path=lambda cell: store.checkpoint(cell.trunk),
        on_cell=on_cell,
        on_chunk=on_chunk,
        trend=lambda cell: _trend(store, like[cell.trunk]),
    )


def _trend(store: Store, like: list[str]) -> Trend | None:
    """How the loss of finished runs of one size falls; None of fewer than two."""
    curves = []
    for run in like:
        record = store.record(run)
        if record is not None and record["status"] == "finished":
            curve = store.curve(run)
            curves.append((curve["step"].tolist(), curve["loss"].tolist()))
    return Trend.of(curves) if len(curves) > 1 else None


def _costs(cell: Cell, outcome: Outcome, planned: CellCost, checkpoint: Path) -> dict[str, Any]:
    """What was planned and what was measured; FLOPs and bytes read of one full run."""
    costs = {
        "predicted_seconds": planned.seconds,
        "predicted_memory_bytes": planned.memory_bytes,
        "predicted_flops": planned.total_flops,
        "predicted_bytes_read": planned.bytes_read,
        "predicted_checkpoint_bytes": planned.checkpoint_bytes,
        "checkpoint_bytes": checkpoint.stat().st_size if checkpoint.is_file() else None,
    }
    if found := outcome.cost:
        costs |= {
            "measured_memory_bytes": found.memory_bytes,
            "device_memory_bytes": found.device_memory_bytes,
            "xla_flops": cell.steps * found.flops,
            "bytes_read": cell.steps * found.bytes_read,
            "mfu": found.mfu,
        }
    return costs


def prepare_jax() -> None:
    """Compile each program once per machine: JAX's persistent cache, for small programs too."""
    import jax

    settings = {
        "jax_compilation_cache_dir": str(cache_folder() / "xla"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in settings.items():
        jax.config.update(name, value)  # type: ignore[no-untyped-call]


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
