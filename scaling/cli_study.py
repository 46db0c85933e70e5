"""The commands that train: plan, run, study, proof, report. `scaling.cli` takes them in."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.terminal import console, show_json

if TYPE_CHECKING:
    from rich.console import Console

    from scaling.devices import Device
    from scaling.forecast.proof import Verdict
    from scaling.study import Planned
    from scaling.train.distributed import Place

app = typer.Typer()

GridFile = Annotated[Path, typer.Argument(metavar="GRID", help="The study's grid, a TOML file.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A study's folder.")]
Out = Annotated[Path | None, typer.Option("--out", help="The study's folder; by default out/NAME.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Shift every seed: a repetition of the study.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; by default one a core.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("plan")
def plan_command(
    grid: GridFile,
    seed: Seed = 0,
    workers: Workers = None,
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
    as_json: Json = False,
) -> None:
    """Print every cell of a grid with its cost, before anything is trained."""
    from scaling import devices
    from scaling.sweep.plan import ASSUMED_MFU, OnDevice, trunks

    other = None if device is None else devices.device(device)
    if calibrate is None:
        calibrate = find_spec("jax") is not None
    planned, workers = _planned(grid, seed, workers, measure=calibrate and not other, other=other)
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


@app.command("run")
def run_command(
    grid: GridFile,
    out: Out = None,
    seed: Seed = 0,
    workers: Workers = None,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Several processes train each run together, by the grid's [devices]: start this "
            "command once for each; process 0 listens here, and all share the folder --out.",
        ),
    ] = None,
    process: Annotated[int | None, typer.Option(min=0, help="This one's number, from 0.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="How many there are.")] = None,
) -> None:
    """Train what is not yet done: pilots, then the forecast, then its targets."""
    from scaling.train.distributed import place

    where = place(coordinator, process, processes)
    if where is None:
        _run(grid, out, seed, workers)
    else:
        _run_together(where, grid, out, seed)


@app.command("study")
def study_command(grid: GridFile, out: Out = None, seed: Seed = 0, workers: Workers = None) -> None:
    """The main job: plan, train, fit, forecast, train what was forecast, report."""
    report_command(_run(grid, out, seed, workers))


@app.command("proof")
def proof_command(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of a study, or of repetitions.")
    ],
    figure: Annotated[
        Path | None, typer.Option("--plot", help="Draw it too: .svg, .pdf or .png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print forecast against truth, target by target."""
    from dataclasses import asdict

    from scaling.study import prove

    verdicts = [verdict for folder in folders for verdict in prove(folder)]
    if figure is not None:
        from scaling.plot import proof, save

        save(proof(verdicts, kind=verdicts[0].l_kind), figure)
    if as_json:
        show_json([asdict(verdict) for verdict in verdicts])
    else:
        _print_proof(console(), verdicts)


@app.command("report")
def report_command(folder: Folder) -> None:
    """Write one self-contained HTML page of a study."""
    from scaling.report import report

    console().print(f"report: {report(folder)}", soft_wrap=True)


def _planned(
    grid: Path, seed: int, workers: int | None, *, measure: bool, other: Device | None = None
) -> tuple[Planned, int]:
    from scaling.study import plan_study
    from scaling.sweep.local import cores
    from scaling.train.calibrate import note as calibration_note

    workers = workers or len(cores())
    on = other.platform if other else None
    if measure and (note := calibration_note()):
        typer.echo(note, err=True)
    return plan_study(grid, seed=seed, workers=workers, measure=measure, on=on), workers


def _run_together(where: Place, grid: Path, out: Path | None, seed: int) -> None:
    """One of several processes: process 0 does what a run does, the others train with it."""
    from scaling.sweep import hosts
    from scaling.sweep.run import prepare_jax

    prepare_jax()
    planned, _ = _planned(grid, seed, 1, measure=False)
    folder = out or Path("out") / planned.grid.name
    console().print(f"process {where.process} of {where.processes}, at {where.coordinator}")
    hosts.join(where, planned.cells)
    if where.process:
        hosts.follow(planned.cells, planned.data, folder)
    else:
        _train(planned, grid, folder, workers=1)
        hosts.dismiss()


def _run(grid: Path, out: Path | None, seed: int, workers: int | None) -> Path:
    from scaling.sweep.live import clock

    screen = console()
    screen.print(f"planning {grid}: shapes new to this machine are timed first")
    planned, workers = _planned(grid, seed, workers, measure=True)
    folder = out or Path("out") / planned.grid.name
    screen.print(
        f"{len(planned.cells)} cells, {workers} workers, predicted training time "
        f"{clock(planned.wall_seconds(workers) or 0)}, folder {folder}",
        soft_wrap=True,
    )
    _train(planned, grid, folder, workers)
    return folder


def _train(planned: Planned, grid: Path, folder: Path, workers: int) -> None:
    from scaling.study import prove, run_study
    from scaling.sweep.live import display

    screen = console()
    run_study(
        planned,
        grid,
        folder,
        workers=workers,
        show=lambda title, cells, known: display(screen, title, cells, known),
    )
    screen.print(f"run table: {folder / 'table.parquet'} and table.csv", soft_wrap=True)
    if planned.part("target"):
        _print_proof(screen, prove(folder))


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


def _print_proof(out: Console, verdicts: list[Verdict]) -> None:
    from scaling.forecast.proof import scores
    from scaling.units import loss_unit

    for v in verdicts:
        of_family = f" of {v.family}" if v.family else ""
        unit = loss_unit(v.l_kind).replace(" per ", "/")
        unit = f" {unit}" if unit else ""
        outcome = "not yet trained"
        if v.truth is not None:
            inside = "inside" if v.inside else "OUTSIDE"
            outcome = f"came out {v.truth:.4f}: error {v.error_pct:+.2f} %, {inside} the interval"
        out.print(
            f"target {v.cell}{of_family}, {v.compute_ratio:.3g}x the compute of the largest pilot: "
            f"forecast {v.forecast:.4f}{unit}, 90 % interval {v.q05:.4f} to {v.q95:.4f}; {outcome}",
            soft_wrap=True,
        )
    for name, score in scores(verdicts).items():
        rule = f"rival rule, forecast beside: {name}" if name else f"{score.trained} targets"
        if name or score.trained > 1:
            out.print(f"{rule}: {score}", soft_wrap=True)
