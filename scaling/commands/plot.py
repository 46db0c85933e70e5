"""The command that lists and draws figures. `scaling.cli` takes it in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands.options import (
    BoundOption,
    ColumnsOption,
    DeltaOption,
    DrawsOption,
    FixedOption,
    JsonOption,
    KindOption,
    MethodOption,
    NOption,
    ObjectiveOption,
    OnOption,
    ProfileOption,
    SeedOption,
    TauOption,
    WeightOption,
    WhereOption,
    fit_settings,
    quantity_of,
)
from scaling.errors import InputError
from scaling.terminal import pairs, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.plot.entry import Entry
    from scaling.stored import Stored

app = typer.Typer()

# Options of a fit, as they are written; the others are of the figure or of the table.
_OF_FIT = {
    "method": "--method", "objective": "--objective", "delta": "--delta", "tau": "--tau",
    "on": "--on", "n": "--n", "where": "--where", "weight": "--weight", "fix": "--fix",
    "bound": "--bound", "draws": "--draws", "kind": "--kind", "seed": "--seed", "law": "--law",
}  # fmt: skip


@app.command("plot")
def plot_command(
    context: typer.Context,
    figure: Annotated[
        str | None, typer.Argument(metavar="[FIGURE]", help="By name; without one, all are listed.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[INPUT]",
            help="A run table, a fit saved as .json, a study's folder, or a run's, DIR/cells/ID.",
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", "-o", help="File: .svg, .pdf or .png (repeatable)."),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(
            metavar="INCHES",
            help="At most so wide, panels below each other if need be: 3.5 for one column.",
        ),
    ] = None,
    profile: ProfileOption = None,
    law: Annotated[
        str | None,
        typer.Option(
            help="A law by name, or a formula: by default chinchilla (overfit for overfitting). "
            "For landscape, published parameters."
        ),
    ] = None,
    method: MethodOption = None,
    objective: ObjectiveOption = None,
    delta: DeltaOption = 1e-3,
    tau: TauOption = 0.5,
    on: OnOption = None,
    n: NOption = "N",
    where: WhereOption = None,
    weight: WeightOption = None,
    columns: ColumnsOption = None,
    fix: FixedOption = None,
    bound: BoundOption = None,
    draws: DrawsOption = 1000,
    kind: KindOption = "cluster",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw a figure of a table, of its fit, of a study or of one run; alone, list all figures.

    docs/gallery.md shows each with its command.
    """
    from scaling.plot import registry, save, writable
    from scaling.plot.width import at_width
    from scaling.stored import Stored

    if figure is None:
        entries = list(registry.FIGURES.values())
        if as_json:
            show_json([_facts(entry) for entry in entries])
            return
        show(_listed(entries), "scaling plot FIGURE INPUT -o FILE draws one; docs/gallery.md: all")
        return
    entry = registry.get(figure)
    if source is None:
        raise InputError(f"scaling plot {figure}: no INPUT; it takes {_taken(entry)}")
    if not out:
        raise InputError(f"scaling plot {figure}: no file to draw to; give -o FILE.svg, .pdf, .png")
    for file in out:
        writable(file)
    settings = fit_settings(
        method, objective, delta, tau, on, None, n, where, weight, fix, bound, draws, kind, seed
    )
    asked = [quantity_of(text) for text in profile or []]
    names = pairs(columns, "--columns") if columns else {}
    stored = Stored(source, names, law, settings, asked)
    _check(entry, stored, [name for name in context.params if _given(context, name)])
    drawn = at_width(lambda: entry.draw(stored), width)
    for file in out:
        save(drawn, file)
    if as_json:
        show_json({**_facts(entry), "input": source, "files": [str(file) for file in out]})


def _given(context: typer.Context, name: str) -> bool:
    found = context.get_parameter_source(name)
    return found is not None and found.name == "COMMANDLINE"


def _check(entry: Entry, source: Stored, given: list[str]) -> None:
    """Refuse options that would be without effect."""
    if "profile" in given and "profile" not in entry.options:
        raise InputError("--profile: only the figure profile takes quantities")
    of_fit = [_OF_FIT[name] for name in given if name in _OF_FIT and name not in entry.options]
    if of_fit and entry.takes != "fit" and "fit" not in entry.options:
        raise InputError(f"{', '.join(of_fit)}: without effect on the figure {entry.name}")
    if of_fit and entry.takes == "fit" and source.saved:
        raise InputError(f"{', '.join(of_fit)}: {source.name} is fitted already; give a run table")


def _taken(entry: Entry) -> str:
    from scaling.plot.entry import TAKES

    return TAKES[entry.takes]


def _facts(entry: Entry) -> dict[str, str]:
    return {"figure": entry.name, "takes": _taken(entry), "shows": entry.shows}


def _listed(entries: list[Entry]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("figure", "input", "shows"):
        table.add_column(name, no_wrap=name == "figure")
    for entry in entries:
        table.add_row(entry.name, _taken(entry), entry.shows)
    return table
