"""`scaling plan`: every cell of a grid and its cost, before anything is trained."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.cli_options import (
    GridArgument,
    JsonOption,
    ShiftOption,
    WorkersOption,
    planned_study,
)
from scaling.terminal import console, show_json

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()


@app.command("plan")
def plan_command(
    grid: GridArgument,
    seed: ShiftOption = 0,
    workers: WorkersOption = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate/--no-calibrate",
            help="Time each shape on this machine first (seconds, cached); by default with JAX.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="Plan for a device of the catalogue, by its data sheet."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print every cell of a grid with its cost, before anything is trained."""
    from scaling import devices
    from scaling.sweep.plan import ASSUMED_MFU, OnDevice, trunks

    other = None if device is None else devices.device(device)
    if calibrate is None:
        calibrate = find_spec("jax") is not None
    planned, workers = planned_study(
        grid, seed, workers, measure=calibrate and not other, other=other
    )
    columns = ("run", "trunk", "role", "family", "N", "N_total", "D", "C", "seed")
    cells = []
    for cell in planned.cells:
        facts, cost = cell.facts(), planned.known[cell.id]
        cells.append(
            {
                **{name: facts[name] for name in columns},
                "tokens_per_param": cell.D / cell.shape.N,
                **cost.to_dict(),
                **(OnDevice(cost, other).to_dict() if other else {}),
                "learning_rate": facts["learning_rate"],
                "batch": cell.batch,
                "told": list(cell.told),
            }
        )
    totals = {
        "flops_spent": sum(c["flops_spent"] for c in cells),
        "flops_if_trained_apart": sum(c["C"] for c in cells),
        "bytes_read": sum(planned.known[cell.id].own_bytes_read for cell in planned.cells),
        "checkpoint_bytes": sum(
            planned.known[group[0].id].checkpoint_bytes for group in trunks(planned.cells).values()
        ),
        "workers": workers,
        "wall_seconds": planned.wall_seconds(workers),
    }
    if other:
        totals |= {"device": other.name, "source": other.source, "assumed_mfu": ASSUMED_MFU}
    if as_json:
        show_json({"cells": cells, **totals})
    else:
        _print_plan(cells, totals, units=planned.cells[0].facts()["D_kind"])


def _print_plan(cells: list[dict[str, Any]], totals: dict[str, Any], units: str) -> None:
    from rich.table import Table

    from scaling.sweep.live import clock

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("cell", "role", "family"):
        table.add_column(name, no_wrap=True)
    for name in (
        "N", "N_total", f"D ({units})", "D/N", "seed", "C (FLOPs)", "to spend", "MB", "seconds",
    ):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    for cell in cells:
        table.add_row(
            cell["run"],
            cell["role"],
            cell["family"],
            f"{cell['N']:,}",
            f"{cell['N_total']:,}",
            f"{cell['D']:,}",
            f"{cell['tokens_per_param']:.3g}",
            str(cell["seed"]),
            f"{cell['C']:.2e}",
            f"{cell['flops_spent']:.2e}",
            f"{cell['memory_bytes'] / 1e6:.0f}",
            "-" if cell["seconds"] is None else f"{cell['seconds']:.1f}",
        )
    wall = totals["wall_seconds"]
    shared = totals["flops_spent"] / totals["flops_if_trained_apart"]
    out = console()
    out.print(table)
    for cell in cells:
        for line in cell["told"]:
            out.print(f"{cell['run']}: {line}", soft_wrap=True)
    out.print(
        f"{len(cells)} cells; C is one full run's training FLOPs, counted from the model; to "
        f"spend: {totals['flops_spent']:.3g} FLOPs in all, {shared:.0%} of training each cell "
        f"apart, since cells of one trunk share it; training time with {totals['workers']} "
        f"workers: {'not timed here' if wall is None else clock(wall)}",
        soft_wrap=True,
    )
    out.print(
        f"reading {totals['bytes_read'] / 1e6:,.1f} MB of training items; checkpoints of all "
        f"trunks {totals['checkpoint_bytes'] / 1e6:,.1f} MB",
        soft_wrap=True,
    )
    if "device" in totals:
        _print_device(out, cells, totals)


def _print_device(out: Console, cells: list[dict[str, Any]], totals: dict[str, Any]) -> None:
    """What the plan for another device assumes, and what it has no memory for."""
    seconds = sum(cell["seconds"] for cell in cells)
    out.print(
        f"on one {totals['device']} ({totals['source']}): seconds of steps, assuming "
        f"{totals['assumed_mfu']:.0%} of its peak FLOP/s or its stated bandwidth, whichever takes "
        f"longer; {seconds:.4g} in all; nothing of it was measured",
        soft_wrap=True,
    )
    large = [cell["run"] for cell in cells if not cell["fits"]]
    if large:
        out.print(f"too large for its memory: {', '.join(large)}", soft_wrap=True)
