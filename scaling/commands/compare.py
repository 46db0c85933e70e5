"""The command `compare`. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import (
    ColumnsOption,
    JsonOption,
    LawsOption,
    NOption,
    SeedOption,
    WhereOption,
    forecasters_of,
    number_option,
    read,
)
from scaling.terminal import progress, show, show_json
from scaling.units import loss_unit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scaling.forecast.rollouts.select import Comparison

app = typer.Typer()


@app.command()
def compare(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
    laws: LawsOption = None,
    within: Annotated[
        float | None,
        number_option("FLOPs that the run may cost which would tell the two best apart."),
    ] = None,
    n: NOption = "N",
    where: WhereOption = None,
    columns: ColumnsOption = None,
    draws: Annotated[int, typer.Option(min=20, help="Draws of each forecast.")] = 500,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw errors, weights and what each forecasts: .svg, .pdf, .png."),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Rank laws by how they predicted the table's own larger runs; weigh them for an average.

    With --within: FLOPs that the run may cost which would tell the two best apart.
    """
    from scaling.forecast.forecasters import sensible
    from scaling.forecast.rollouts.select import compare as compare_laws
    from scaling.forecast.rows import rows_of

    if plot is not None:
        from scaling.plot import comparison, save, writable

        writable(plot)
    df = read(table, columns)
    rows = rows_of(df, n, where)
    items = forecasters_of(laws) if laws is not None else sensible(rows)
    with progress("rollouts") as told:
        found = compare_laws(
            df, items, N=n, draws=draws, seed=seed, where=where, within=within, progress=told
        )
    if plot is not None:
        save(comparison(found, kind=rows.kinds["L_kind"]), plot)
    if as_json:
        show_json(_json(found))
    else:
        show(*_words(found, loss_unit(rows.kinds["L_kind"]).partition(" ")[0]))


def _json(found: Comparison) -> dict[str, Any]:
    return {
        "source": found.rollout.source,
        "cuts": list(found.rollout.cuts),
        "standings": [{**asdict(item), "alike": item.alike} for item in found.standings],
        "weights": {item.name: item.weight for item in found.standings},
        "telling_run": asdict(found.telling),
        "refused": list(found.rollout.refused),
    }


def _words(found: Comparison, unit: str) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD)
    out.add_column("law")
    for head in (
        "loss error", "behind the best", "inside 90 %", "N_opt off", "waste", "log density",
        "weight", "in sample", "AICc",
    ):  # fmt: skip
        out.add_column(head, justify="right")
    for item in found.standings:
        by, low, high = item.behind
        out.add_row(
            item.name,
            f"{item.loss_error:.2f} %",
            f"{by:.2f} [{low:.2f}, {high:.2f}]",
            f"{100 * item.coverage:.0f} %",
            "-" if item.size_error is None else f"{item.size_error:.3f} log10",
            "-" if item.waste is None else f"{item.waste:.1f} %",
            f"{item.log_density:.2f}",
            f"{item.weight:.2f}",
            f"{item.in_sample:.2f} %",
            "-" if item.aicc is None else f"{item.aicc:.1f}",
        )
    yield f"{len(found.rollout.cuts)} cuts of {found.rollout.source}"
    yield out
    best, *rest = found.standings
    alike = [item.name for item in rest if item.alike]
    if alike:
        yield f"these data cannot tell {best.name} from {', '.join(alike)}"
    else:
        yield f"{best.name} has predicted larger runs better than every other one"
    run = found.telling
    head = "a run that would tell" if run.apart >= 1 else "no run of that cost would tell"
    yield (
        f"{head} {run.names[0]} from {run.names[1]}: they differ most at N = {run.N:.4g}, "
        f"D = {run.D:.4g} (C = {run.C:.4g}): {run.prediction[0]:.4f} against "
        f"{run.prediction[1]:.4f}{unit and f' {unit}'}, {run.apart:.2g} times the spread of what "
        "they predict"
    )
    yield from found.rollout.refused
