"""The command `new`: a first grid, from three answers or as many options. `scaling.cli` takes it
in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands import completion
from scaling.commands.options import JsonOption, WorkersOption
from scaling.errors import InputError
from scaling.terminal import number, show, show_json

if TYPE_CHECKING:
    from scaling.drafted import Drafted
    from scaling.families import Unit
    from scaling.grid.draft import Draft

app = typer.Typer()

LEAST_SPAN = 3.0  # of the pilots' sizes: exponents come from nothing else


@app.command("new")
def new_command(
    grid: Annotated[
        Path, typer.Argument(metavar="[GRID]", help="The file to write; never an existing one.")
    ] = Path("grid.toml"),
    family: Annotated[
        str | None,
        typer.Option(
            help="A model family; `scaling models` lists them.", autocompletion=completion.families
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help='What is trained on: a shipped source, or your files ("corpus/*.txt").'),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="How long it may train on this machine: shapes are timed for that."),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(metavar="LOW:HIGH", help="Parameters (N) of the pilots instead: 1e4:1e5."),
    ] = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a commented grid that can be trained: a ladder of sizes, budgets, targets, a recipe, a
    rule.

    What no option says is asked, in three questions at most.
    """
    if grid.exists():
        raise InputError(f"{grid}: there already, and not written over: give another name, such as "
                         f"`scaling new {grid.with_stem(grid.stem + '-2')}`")  # fmt: skip
    if not grid.parent.is_dir():
        raise InputError(f"{grid}: there is no folder {grid.parent}: make it first")
    if minutes is not None and sizes is not None:
        raise InputError(
            "--minutes and --sizes: give one of them; each sets how large the study is"
        )
    family, data, extent = _answers(family, data, sizes if minutes is None else f"{minutes:g}")
    found, slots = _drafted(grid, family, data, extent, workers)
    grid.write_text(found.text, encoding="utf-8")
    facts = _facts(grid, found, slots)
    if as_json:
        show_json(facts)
    else:
        show(*_told(facts))


def _answers(family: str | None, data: str | None, extent: str | None) -> tuple[str, str, str]:
    """Family, data and extent (minutes, or LOW:HIGH): as given, or as answered now."""
    from scaling import families

    missing = [
        option
        for option, value in (
            ("--family NAME", family),
            ("--data SOURCE", data),
            ("--minutes M or --sizes LOW:HIGH", extent),
        )
        if value is None
    ]
    if missing and not sys.stdin.isatty():
        raise InputError(
            f"there is no terminal to ask on; give {', '.join(missing)}, such as "
            "`scaling new --family transformer --data python-stdlib --sizes 1e4:1e5`"
        )
    if family is None:
        family = typer.prompt(f"Model family ({', '.join(families.names())})", "transformer")
    unit = families.get(family).UNIT
    if data is None:
        shipped = sources_for(unit)
        data = typer.prompt(f"Data ({', '.join(shipped)}, or files of your own)", shipped[0])
    if extent is None:
        extent = typer.prompt("Minutes to train on this machine, or sizes such as 1e4:1e5", "5")
    return family, data, extent


def sources_for(unit: Unit) -> list[str]:
    """The shipped data that models of this unit train on."""
    from scaling.data import image_sources, sources

    found = sources.names() if unit == "token" else image_sources.names()
    return sorted(found, key=lambda name: name != "python-stdlib")


def _drafted(
    grid: Path, family: str, source: str, extent: str, workers: int | None
) -> tuple[Drafted, int]:
    """The grid that was asked for, and the workers that its time is told for."""
    from scaling import families
    from scaling.devices import cores
    from scaling.drafted import of_sizes, of_time
    from scaling.grid import open_data
    from scaling.grid.draft_toml import data_of, toml_of
    from scaling.sweep.calibrate import need_jax

    slots = workers or len(cores())
    low, colon, high = extent.partition(":")
    unit = families.get(family).UNIT
    asked = f"N from {low} to {high}" if colon else f"{low} minutes on {slots} workers"

    def write(draft: Draft) -> str:
        head = f"A first grid of {family} on {source}, by `scaling new`: {asked}."
        return toml_of(draft, grid.stem, str(grid), head)

    def tell(told: str) -> None:
        typer.echo(told, err=True)

    if colon:
        limits = _positive(low, "--sizes"), _positive(high, "--sizes")
        if limits[1] < LEAST_SPAN * limits[0]:
            raise InputError(
                f"--sizes {extent}: HIGH must be {LEAST_SPAN:g} times LOW or more, such as 1e4:1e5"
            )
        data = open_data(data_of(source, unit), unit)
        return of_sizes(family, source, data, *limits, write), slots
    seconds = 60 * _positive(low, "--minutes")
    need_jax()
    tell(f"reading {source}")
    data = open_data(data_of(source, unit), unit)
    return of_time(family, source, data, seconds, slots, write, tell), slots


def _positive(text: str, option: str) -> float:
    try:
        value = number(text)
    except typer.BadParameter as error:
        raise InputError(f"{option}: {error}") from None
    if not 0 < value < float("inf"):
        raise InputError(f"{option} {text}: valid is more than nothing")
    return value


def _facts(grid: Path, found: Drafted, slots: int) -> dict[str, Any]:
    draft, planned = found.draft, found.planned
    return {
        "grid": str(grid),
        "family": draft.family,
        "data": draft.source,
        "N_of_pilots": [rung.shape.N for rung in draft.pilots],
        "N_of_targets": [rung.shape.N for rung in draft.targets],
        "pilots": len(planned.part("pilot")),
        "targets": len(planned.part("target")),
        "predicted_seconds": found.seconds(slots),
        "workers": slots,
        "next": [f"scaling plan {grid}", f"scaling study {grid}"],
    }


def _told(facts: dict[str, Any]) -> list[str]:
    from scaling.amounts import clock

    sizes = facts["N_of_pilots"]
    seconds = facts["predicted_seconds"]
    time = "" if seconds is None else f", predicted training time {clock(seconds)}"
    return [
        f"wrote {facts['grid']}: {facts['family']} on {facts['data']}",
        f"{facts['pilots']} pilots of {len(sizes)} sizes, N = {sizes[0]:,} to {sizes[-1]:,}; "
        f"targets of N = {', '.join(f'{n:,}' for n in facts['N_of_targets'])}",
        f"{facts['workers']} worker{'s' * (facts['workers'] > 1)}{time}",
        "next:",
        *(f"  {line}" for line in facts["next"]),
    ]
