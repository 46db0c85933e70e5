"""The command `design`: the next runs to train. `scaling.cli` takes it in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import (
    ColumnsOption,
    JsonOption,
    NOption,
    RecoveredOption,
    SeedOption,
    WhereOption,
    planned_study,
    read,
)
from scaling.errors import InputError
from scaling.terminal import number, show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from scaling.forecast.designs.design import Candidate, Design
    from scaling.planned import Planned

app = typer.Typer()


@app.command("design")
def design_command(
    table: Annotated[
        Path | None,
        typer.Argument(help="Run table: .csv, .tsv or .parquet; none: published priors alone."),
    ] = None,
    target_compute: Annotated[
        float, typer.Option(parser=number, metavar="NUMBER", help="FLOPs that are forecast.")
    ] = ...,  # type: ignore[assignment]  # required
    pilot_budget: Annotated[
        float, typer.Option(parser=number, metavar="NUMBER", help="FLOPs for the next runs.")
    ] = ...,  # type: ignore[assignment]  # required
    goal: Annotated[
        str, typer.Option(help="What is narrowed: loss, n_opt or regret, at the target.")
    ] = "loss",
    cells: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The runs to choose among: a grid's pilots (.toml), or a table of N, D and "
            "perhaps C; by default sizes and lengths of the table's own kind.",
        ),
    ] = None,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many runs.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the chosen: a grid for `scaling run` (.toml, of --cells GRID.toml), or a "
            "table of N, D, C (.csv).",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the chosen, and how the interval narrows: .svg, .pdf, .png."),
    ] = None,
    n: NOption = "N",
    where: WhereOption = None,
    columns: ColumnsOption = None,
    recovered: RecoveredOption = False,
    draws: Annotated[int, typer.Option(help="Draws of what is known.")] = 2000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Choose the runs that narrow the forecast at a target most for what they cost."""
    from scaling.forecast.designs.design import design

    if plot is not None:
        from scaling.plot import writable

        writable(plot)
    df = None if table is None else read(table, columns, recovered)
    planned = None
    if cells is not None and cells.suffix == ".toml":
        planned, _ = planned_study(cells, 0, None, measure=False)
    if (
        output is not None
        and output.suffix != ".csv"
        and not (planned and output.suffix == ".toml")
    ):
        raise InputError(f"-o {output}: valid is .csv, and .toml where --cells names a grid")
    candidates = _candidates(df, cells, planned, pilot_budget, n, where)
    asked: dict[str, Any] = {"draws": draws, "seed": seed, "N": n, "where": where}
    found = design(
        df, candidates, target=target_compute, budget=pilot_budget,
        goal=goal,  # type: ignore[arg-type]  # it checks the name
        most=most, **asked,
    )  # fmt: skip
    if plot is not None:
        _draw(plot, found, df, candidates, asked)
    if output is not None:
        _write(found, planned, n, output)
    if as_json:
        source = None if table is None else str(table)
        show_json({**found.to_dict(), "source": source, "candidates": len(candidates)})
    else:
        show(str(found), f"  of       {len(candidates)} candidates")
        if output is not None:
            show(f"  written  {output}")


def _candidates(
    df: pd.DataFrame | None,
    cells: Path | None,
    planned: Planned | None,
    budget: float,
    n: str,
    where: str | None,
) -> list[Candidate]:
    from scaling.cost import Cost
    from scaling.forecast.buildable import buildable
    from scaling.forecast.designs.candidates import of_cells, of_file, of_ladder
    from scaling.forecast.rows import rows_of

    if planned is not None:
        return of_cells(planned.cells, df, n)
    rows = None if df is None else rows_of(df, n, where)
    if cells is not None:
        return of_file(cells, Cost() if rows is None else rows.cost, n)
    if df is None or rows is None:
        raise InputError("without a table give --cells: a grid, or a table of N and D")
    return of_ladder(rows, budget, buildable(df, n, where))


def _draw(
    file: Path,
    found: Design,
    df: pd.DataFrame | None,
    candidates: list[Candidate],
    asked: dict[str, Any],
) -> None:
    from scaling.forecast.designs.narrowing import narrowings
    from scaling.forecast.rows import rows_of
    from scaling.plot import design, save

    rows = None if df is None or df.empty else rows_of(df, asked["N"], asked["where"])
    known: dict[str, Any] = {}
    if rows is not None:
        known = {"known": (rows.N, rows.D), "d_kind": rows.kinds["D_kind"]}
    courses = narrowings(df, candidates, found, **asked)
    save(design(found, candidates, *courses, N=asked["N"], **known), file)


def _write(found: Design, planned: Planned | None, n: str, output: Path) -> None:
    """The chosen runs as a grid, or as a table."""
    import pandas as pd

    from scaling.grid.planning import origins
    from scaling.grid.writing import only, to_toml
    from scaling.table import write_table, write_text

    if planned is None or output.suffix == ".csv":
        runs: list[dict[str, Any]] = [{n: run.N, "D": run.D, "C": run.C} for run in found.runs]
        write_table(pd.DataFrame(runs), output)
        return
    origin = origins(planned.grid, planned.data, planned.on)
    chosen = only(planned.grid, origin, {run.key for run in found.runs})
    told = (
        f"{len(found.runs)} of the pilots of {planned.grid.name}, by `scaling design`: those that "
        f"narrow\nthe {found.goal} at {found.target:.4g} FLOPs most for {found.spent:.4g}."
    )
    write_text(to_toml(chosen, told), output)
