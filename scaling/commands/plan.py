"""`scaling plan`: what a study will cost, cell by cell and in all, before anything is trained."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands import completion
from scaling.commands.options import (
    ExecutorOption,
    GridArgument,
    JsonOption,
    OptionOption,
    ShiftOption,
    budget_of,
    place_of,
    planned_study,
)
from scaling.errors import InputError
from scaling.terminal import console, show_json

if TYPE_CHECKING:
    from scaling.devices import Device
    from scaling.grid import Cell
    from scaling.planned import Planned
    from scaling.sweep.planning.budget import Budget, Trimmed
    from scaling.sweep.planning.estimate import Part

app = typer.Typer()


@app.command("plan")
def plan_command(
    grid: GridArgument,
    seed: ShiftOption = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Devices (or cores) at work at once, any number; by default those that are here.",
        ),
    ] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate/--no-calibrate",
            help="Time each shape on this machine first (seconds, cached); by default with JAX.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            help="Plan for a device of the catalogue, by its data sheet.",
            autocompletion=completion.devices,
        ),
    ] = None,
    executor: ExecutorOption = None,
    option: OptionOption = None,
    price: Annotated[
        float | None,
        typer.Option(min=0, help="Dollars of a device-hour; by default a cloud's list price."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="AMOUNT",
            help="Trim the pilots to fit: 1e18FLOPs, 40h (device-hours) or 200usd.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="GRID", help="Write the trimmed grid, for `scaling run`."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The study's folder, whose tuned learning rate is planned with; by default "
            "out/NAME."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="A line a cell, however many there are.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print what a study will cost: in all, by part and cell by cell."""
    from scaling import devices
    from scaling.sweep.planning import notes as notes
    from scaling.sweep.planning.estimate import parts
    from scaling.sweep.planning.trimming import trim_grid

    limit = None if budget is None else budget_of(budget)
    if save is not None and limit is None:
        raise InputError(f"--save {save}: it writes the grid that --budget trims; give a budget")
    other = None if device is None else devices.device(device)
    if calibrate is None:
        calibrate = find_spec("jax") is not None
    planned, _ = planned_study(
        grid,
        seed,
        workers,
        measure=calibrate and not other,
        device=other,
        place=place_of(executor, option, grid),
    )
    assumed = devices.PRICES.get(other.name) if other and price is None else None
    price = assumed.dollars if assumed else price
    trimmed = None
    if limit is not None:
        smaller, trimmed = trim_grid(
            planned.grid,
            planned.data,
            planned.cells,
            planned.tuning,
            limit,
            timings=planned.timings,
            on=planned.on,
            price=price,
        )
        planned = planned.of(smaller)
        if save is not None:
            _save(planned, trimmed, limit, grid, save)
    planned = planned.at_rates(out or Path("out") / planned.grid.name)
    count = _devices(planned, other, workers)
    found = parts(planned.parts, planned.known, devices=count, on=planned.on, price=price)
    room, large = planned.room, planned.large
    too_large = {cell.id for cell in large}
    if as_json:
        facts = {
            "cells": [
                _cell_facts(planned, cell, None if room is None else cell.id not in too_large)
                for cell in planned.cells
            ],
            **_facts(planned, found, count),
            "device_memory_bytes": room,
            "too_large": [cell.id for cell in large],
            "price": price,
        }
        if assumed:
            facts["price_source"] = str(assumed)
        if other:
            facts |= {"device": other.name, "source": other.source}
            facts["assumed_mfu"] = devices.ASSUMED_MFU
        if trimmed and limit:
            facts["budget"] = _trimmed_facts(trimmed, limit)
        show_json(facts)
        return
    what = other.name if other else "worker" + "s" * (count > 1)
    lines = [*notes.of_study(found[-1], count, what)]
    if other:
        lines.append(notes.of_device(other))
    if price is not None:
        lines += notes.of_price(found[-1], count, price, assumed)
    if large and room is not None:
        lines.append(notes.of_large(large, planned.known, room))
    if trimmed and limit:
        lines += notes.of_budget(trimmed, limit, save)
    _print(planned, found, lines, every)


def _devices(planned: Planned, other: Device | None, workers: int | None) -> int:
    """How many are at work at once: as asked; those that are here; or one run's, elsewhere."""
    from scaling.sweep.planning.schedule import width

    if workers is not None:
        return workers
    if other is None and not planned.settings.elsewhere:
        with planned.start(None) as here:
            if here.slots is not None:
                return here.slots
    return max(width(cell, planned.on) for cell in planned.cells)


def _facts(planned: Planned, found: list[Part], count: int) -> dict[str, Any]:
    """What is said of the study as a whole."""
    from scaling.sweep.planning.plan import trunks

    whole = found[-1]
    groups = trunks(planned.cells).values()
    return {
        "flops_spent": whole.flops,
        "flops_if_trained_apart": whole.flops_apart,
        "bytes_read": whole.bytes_read,
        "checkpoint_bytes": sum(planned.known[g[0].id].checkpoint_bytes for g in groups),
        "workers": count,
        "wall_seconds": whole.wall_seconds,
        "executor": planned.grid.executor.name,
        "parts": [part.to_dict() for part in found],
    }


def _cell_facts(planned: Planned, cell: Cell, fits: bool | None) -> dict[str, Any]:
    facts = cell.facts()
    columns = ("run", "trunk", "role", "family", "N", "N_total", "D", "C", "seed")
    return {
        **{name: facts[name] for name in columns},
        "tokens_per_param": cell.D / cell.shape.N,
        **planned.known[cell.id].to_dict(),
        "fits": fits,
        "learning_rate": facts["learning_rate"],
        "batch": cell.batch,
        "told": list(cell.told),
    }


def _trimmed_facts(trimmed: Trimmed, limit: Budget) -> dict[str, Any]:
    return {
        "amount": limit.amount,
        "unit": limit.unit,
        "before": trimmed.before,
        "after": trimmed.cost,
        "dropped": [cell.id for cell in trimmed.dropped],
    }


def _save(planned: Planned, trimmed: Trimmed, limit: Budget, grid: Path, save: Path) -> None:
    from scaling.grid.writing import to_toml

    told = (
        f"{grid.name}, trimmed by `scaling plan {grid} --budget`: {limit}.\n"
        f"{len(trimmed.kept)} of {len(trimmed.kept) + len(trimmed.dropped)} cells are left, as "
        "they were; what was dropped informs the forecast least for what it costs."
    )
    save.write_text(to_toml(planned.grid, told), encoding="utf-8")


def _print(planned: Planned, found: list[Part], lines: list[str], every: bool) -> None:
    from scaling.sweep.planning.tables import MANY, by_cell, by_rung, of_parts

    out, cells = console(), planned.cells

    def say(line: str) -> None:
        out.print(line, soft_wrap=True, markup=False)

    if len(cells) < MANY or every:
        out.print(by_cell(cells, planned.known))
    else:
        out.print(by_rung(cells, planned.known))
        say(f"{len(cells):,} cells by size; --all has a line for each, --json all there is of them")
    told: dict[str, list[str]] = {}
    for cell in cells:
        for line in cell.told:
            told.setdefault(line, []).append(cell.id)
    for line, runs in told.items():
        if len(runs) > 1:
            say(f"{len(runs):,} cells: {line}")
        elif len(cells) < MANY or every:
            say(f"{runs[0]}: {line}")
    out.print()
    out.print(of_parts(found))
    out.print()
    for line in lines:
        say(line)
