"""What a worker does, under any executor: trains an order's cells into the study's store.

An order holds trunks. Each is claimed before it is trained, so that workers of several drivers
share a study; what the store already has is left alone. Where several processes were started for
the order, they train together, and process 0 does the rest.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.data.corpus import cache_folder
from scaling.errors import InputError
from scaling.families import Unit
from scaling.grid import AnyData, Cell, Data, canonical_json, open_data
from scaling.sweep import hosts, trackers, worker
from scaling.sweep.planning.plan import CellCost
from scaling.sweep.storing.claims import Claim, Claims
from scaling.sweep.storing.store import Store
from scaling.sweep.trackers import Specs
from scaling.train import distributed, stopping
from scaling.train.findings import Finding
from scaling.train.trajectory import Trend

if TYPE_CHECKING:
    from scaling.files import Place
    from scaling.train.course import OnChunk
    from scaling.train.log import Log
    from scaling.train.outcome import Outcome
    from scaling.train.telemetry import Chunk

# The cells of one trunk; trunks that train as one program.
Group = Sequence[Cell]
Cohort = Sequence[Group]


@dataclass(frozen=True)
class Order:
    """What one call trains, one cohort after another. folder: of the study, a path or an URL.

    known: costs of its cells; like: of each trunk, cells that it is compared with, as far as they
    are finished; dead: numbers of claims on its trunks that the driver has watched die; study: its
    name, for the trackers, which `trackers.ready` made; keep: trunks that longer cells may come of.
    """

    cohorts: tuple[Cohort, ...]
    data: Data
    folder: str
    known: dict[str, CellCost]
    like: dict[str, list[str]]
    dead: dict[str, int] = field(default_factory=dict)
    study: str = ""
    trackers: Specs = field(default_factory=dict)
    keep: frozenset[str] = frozenset()

    @property
    def cells(self) -> list[Cell]:
        return [cell for cohort in self.cohorts for group in cohort for cell in group]


@dataclass(frozen=True)
class Trained:
    """A progress event: `record` where a cell has just finished or was given up, else `steps` more
    of a trunk, which end at `step`. warning: of something beside the training."""

    trunk: str
    steps: int
    loss: float
    record: dict[str, Any] | None = None
    findings: tuple[Finding, ...] = ()
    step: int = 0
    warning: str = ""


def work(order: Order) -> list[str]:
    """Train what is left of an order; returns trunks that others are at work on.

    Raises `stopping.Stopped` where this process was asked to stop; what was done lies in
    checkpoints then.
    """
    prepare_jax()
    where = distributed.place()
    if where is None:
        return _lead(order)
    if not distributed.joined():
        distributed.initialise(where)
    data, store = _data(order), Store(order.folder)
    if where.process:
        hosts.follow(order.cells, data, store.folder)
        return []
    try:
        return _lead(order)
    finally:
        hosts.dismiss()


def _lead(order: Order) -> list[str]:
    store, elsewhere = Store(order.folder), []
    claims = Claims(store.folder)
    for cohort in order.cohorts:
        trunks = [group[0].trunk for group in cohort]
        try:
            with claims.hold(trunks, order.dead) as mine:
                ours = {claim.trunk: claim for claim in mine}
                elsewhere += [trunk for trunk in trunks if trunk not in ours]
                # Only who holds the claim can tell what is left: it may just have been finished.
                left = [_left(store, group) for group in cohort if group[0].trunk in ours]
                _train([group for group in left if group], order, store, ours)
        except stopping.Stopped:
            if stopping.asked() is not None:
                raise
            elsewhere += trunks  # one of them was taken over; the rest of the order is still ours
    return elsewhere


def _left(store: Store, group: Group) -> list[Cell]:
    done = store.done(group)
    return [cell for cell in group if cell.id not in done]


def _train(groups: list[list[Cell]], order: Order, store: Store, ours: dict[str, Claim]) -> None:
    if not groups:
        return
    from scaling.train.cohort import train_cohort
    from scaling.train.telemetry import frame

    if distributed.joined():
        hosts.tell([cell.id for group in groups for cell in group])

    def on_cell(cell: Cell, outcome: Outcome) -> None:
        record = _record(cell, outcome, order.known[cell.id], store.checkpoint(cell.trunk))
        curve = frame(
            outcome.chunks,
            outcome.blocks,
            unit=cell.unit,
            batch=cell.batch,
            held_out=outcome.log.held_out,
        )
        store.save(cell, record, curve)
        tracking.cell(cell, record, outcome.log)
        worker.send(Trained(cell.trunk, 0, outcome.loss, record))

    def on_chunk(cell: Cell) -> OnChunk:
        began: list[tuple[int, float]] = []  # the step and the time of the first chunk

        def told(chunk: Chunk, findings: list[Finding], log: Log) -> None:
            loss = float(chunk.loss[-1])
            if not began:
                began.append((chunk.last_step, time.monotonic()))
            first, then = began[0]
            rate = (chunk.last_step - first) / max(time.monotonic() - then, 1e-9)
            ours[cell.trunk].tell(step=chunk.last_step, loss=loss, steps_per_second=rate)
            tracking.chunk(cell.trunk, log)
            worker.send(
                Trained(
                    cell.trunk, len(chunk.loss), loss,
                    findings=tuple(findings), step=chunk.last_step,
                )
            )  # fmt: skip

        return told

    def warn(told: str) -> None:
        worker.send(Trained(groups[0][0].trunk, 0, float("nan"), warning=told))

    cells = [cell for group in groups for cell in group]
    with trackers.follow(order.trackers, order.study, cells, warn) as tracking:
        train_cohort(
            groups,
            _data(order),
            checkpoint_path=lambda cell: store.checkpoint(cell.trunk),
            on_damaged=store.damaged_checkpoint,
            on_cell=on_cell,
            on_chunk=on_chunk,
            trend=lambda cell: _trend(store, order.like[cell.trunk]),
            keep=order.keep,
        )


def _data(order: Order) -> AnyData:
    """The order's data. Raises InputError where they are others here than where it was planned."""
    cell = order.cells[0]
    data = _opened(canonical_json(order.data.model_dump(exclude_unset=True)), cell.unit)
    if data.fingerprint != cell.data:
        raise InputError(
            f"the data {order.data.source!r} on {platform.node()} are not those that the study was "
            f"planned with (fingerprints {data.fingerprint} and {cell.data}): give every host the "
            "same files"
        )
    return data


@lru_cache(maxsize=2)
def _opened(data: str, unit: Unit) -> AnyData:
    return open_data(Data.model_validate_json(data), unit)


def _record(cell: Cell, outcome: Outcome, planned: CellCost, checkpoint: Place) -> dict[str, Any]:
    """What is known of a cell once it is trained."""
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
        **_costs(cell, outcome, planned, checkpoint),
        "started_at": outcome.started_at,
        "trained_at": outcome.trained_at,
        "data": cell.data,
        "machine": machine(),
    }
    if np.isfinite(logits := [c.attention_logit for c in outcome.chunks]).any():
        record["attention_logit"] = float(np.fmax.reduce(logits))  # the largest of the run
    if outcome.steps < cell.steps:  # stopped early: what the weights have seen
        record |= cell.at(outcome.steps).counts()
    return record


def _trend(store: Store, like: list[str]) -> Trend | None:
    """How the loss of finished runs of one size falls; None of fewer than two."""
    curves = []
    for run in like:
        with suppress(LookupError):
            curves.append(_curve(store.folder, run))
    return Trend.of(curves) if len(curves) > 1 else None


@lru_cache(maxsize=256)
def _curve(folder: Place, run: str) -> tuple[list[int], list[float]]:
    """Steps and losses of a run, read once; LookupError while it is not finished."""
    store = Store(folder)
    record = store.record(run)
    if record is None or record["status"] != "finished":
        raise LookupError(run)
    curve = store.curve(run)
    return curve["step"].tolist(), curve["loss"].tolist()


def _costs(cell: Cell, outcome: Outcome, planned: CellCost, checkpoint: Place) -> dict[str, Any]:
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
        jax.config.update(name, value)  # type: ignore[no-untyped-call]  # JAX has no type for it


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
