"""The command `coverage`: how often intervals hold. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.cli_options import JsonOption, SeedOption
from scaling.errors import InputError
from scaling.terminal import show, show_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scaling.forecast.coverage import Coverage
    from scaling.forecast.truths import Case

app = typer.Typer()

_BY = ("law", "design", "noise")


@app.command()
def coverage(
    law: Annotated[
        list[str] | None, typer.Option(help="Laws that the truth follows (repeatable; six known).")
    ] = None,
    design: Annotated[
        list[str] | None, typer.Option(help="isoflop or grid (repeatable; both by default).")
    ] = None,
    noise: Annotated[
        list[float] | None,
        typer.Option(help="Standard deviations of ln loss (repeatable; .005 by default)."),
    ] = None,
    replications: Annotated[int, typer.Option(min=1, help="Tables of each kind.")] = 20,
    forecaster: Annotated[
        list[str] | None,
        typer.Option(
            help='By name, beside a fit of the truth\'s own law: isoflop, "calibrated kaplan" '
            "(repeatable; the default, bare and calibrated)."
        ),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(help=f"Split the answers by {', '.join(_BY)} (repeatable).")
    ] = None,
    draws: Annotated[int, typer.Option(min=20, help="Draws for each forecast.")] = 200,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Nominal against actual coverage of forecasts, on tables whose truth is known.

    Each table gives one answer a question: a new run's loss, and N_opt, inside the runs and at 10
    and 100 times their largest compute.
    """
    from scaling.forecast import coverage as study
    from scaling.forecast.truths import DESIGNS, TRUTHS

    for name in by or []:
        if name not in _BY:
            raise InputError(f"--by {name}: valid: {', '.join(_BY)}")
    asked = study.cases(
        law or list(TRUTHS), design or list(DESIGNS), noise or [0.005], replications, seed
    )
    makers = {name: study.maker(name) for name in forecaster or study.DEFAULTS}
    found = study.coverage(_tracked(asked), makers, draws=draws)
    if as_json:
        show_json(found.to_dict(*(by or [])))
    else:
        show(*_told(found, by or []))


def _tracked(cases: Sequence[Case]) -> Iterable[Case]:
    """The cases, with progress on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(cases, "tables", console=console, transient=True, disable=not console.is_terminal)


def _told(found: Coverage, by: Sequence[str]) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table

    from scaling.forecast.coverage import LEVELS, SCORED, share

    table = Table(box=box.SIMPLE_HEAD, title="Actual coverage in % [its 95 % interval]")
    keys = [*by, "forecaster", "quantity", "distance"]
    for name in (*by, "forecaster", "of", "at"):
        table.add_column(name, no_wrap=True)
    for name in ("n", *(f"{100 * level:g} %" for level in LEVELS), "width", "score", "error"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.by(*by).to_dict("records"):
        cells = [f"{row['n']}", *(share(row, level) for level in LEVELS)]
        cells += [f"{row[name]:.3g}" for name in ("width", "score", "error")]
        table.add_row(*(str(row[key]) for key in keys), *cells)
    yield table
    yield (
        f"n: tables; width, score (both of {100 * SCORED:g} % intervals) and error: in % of the loss, "
        "in log10 of N_opt; width and error are medians, score is the mean interval score"
    )
    yield from found.words()
    if found.refused:
        yield f"{len(found.refused)} refused, not counted; the first: {found.refused[0]}"
