"""The command `coverage`: how often intervals hold. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import JsonOption, SeedOption, read
from scaling.errors import InputError
from scaling.terminal import progress, show, show_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scaling.forecast.rollouts.coverage import Coverage

app = typer.Typer()

_BY = ("law", "design", "noise")
_COUNTS = ("runs", "budgets")
_LINE = (
    "forecaster", "bin", *_COUNTS, "loss_bare_coverage", "loss_coverage", "size_bare_coverage",
    "size_coverage",
)  # fmt: skip


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
    table: Annotated[
        list[Path] | None,
        typer.Option(help="A run table's own rollouts instead of synthetic truth (repeatable)."),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(help=f"Split the answers by {', '.join(_BY)} (repeatable).")
    ] = None,
    draws: Annotated[int, typer.Option(min=20, help="Draws for each forecast.")] = 200,
    plot: Annotated[
        Path | None, typer.Option(help="Draw nominal against actual: .svg, .pdf, .png.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Nominal against actual coverage of forecasts, on synthetic truth or on a table's own runs.

    Each synthetic table gives one answer a question: a new run's loss, and N_opt, inside the runs
    and at 10 and 100 times their largest compute. With --table: how often intervals held the
    table's own larger runs, in rollouts from its smaller ones.
    """
    import pandas as pd

    from scaling.forecast.rollouts import coverage as study
    from scaling.forecast.rollouts.truths import DESIGNS, TRUTHS

    if plot is not None:
        from scaling.plot import coverage as drawn
        from scaling.plot import save, writable
        from scaling.plot.coverage import coverage_by_distance

        writable(plot)
    if table:
        synthetic = {"--law": law, "--design": design, "--noise": noise, "--by": by}
        if given := [name for name, value in synthetic.items() if value]:
            raise InputError(f"{given[0]} is of synthetic tables; with --table it has no meaning")
        names = [name.removeprefix(study.CALIBRATED) for name in forecaster or study.DEFAULTS]
        lines = _on_tables(table, names, draws, seed)
        if plot is not None:
            save(coverage_by_distance(pd.DataFrame(lines)), plot)
        if as_json:
            show_json({"tables": [{k: _known(v) for k, v in line.items()} for line in lines]})
        else:
            show(*_tables_told(lines))
        return
    for name in by or []:
        if name not in _BY:
            raise InputError(f"--by {name}: valid: {', '.join(_BY)}")
    asked = study.cases(
        law or list(TRUTHS), design or list(DESIGNS), noise or [0.005], replications, seed
    )
    makers = {name: study.maker(name) for name in forecaster or study.DEFAULTS}
    with progress("tables") as told:
        found = study.coverage(asked, makers, draws=draws, progress=told)
    if plot is not None:
        save(drawn(found), plot)
    if as_json:
        show_json(found.to_dict(*(by or [])))
    else:
        show(*_told(found, by or []))


def _on_tables(
    paths: Sequence[Path], names: Sequence[str], draws: int, seed: int
) -> list[dict[str, Any]]:
    """The coverage of every table's own rollouts, one line a forecaster and distance."""
    from scaling.forecast.rollouts.coverage import on_table

    lines = []
    for path in paths:
        with progress(f"rollouts of {path.name}") as told:
            found = on_table(read(path, None), names, draws=draws, seed=seed, progress=told)
        lines += found[[*_LINE]].assign(table=path.stem).to_dict("records")
    return [{str(key): value for key, value in line.items()} for line in lines]


def _tables_told(lines: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="Held by nominal 90 % intervals, in %")
    for name in ("table", "forecaster", "beyond the cut", "runs", "loss, bare", "calibrated"):
        table.add_column(name)
    for name in ("budgets", "N_opt, bare", "calibrated"):
        table.add_column(name)
    for line in lines:
        cells = [_percent(line[name]) for name in _LINE if name.endswith("coverage")]
        counts = [f"{line[name]:.0f}" if isfinite(line[name]) else "" for name in _COUNTS]
        head = (line["table"], line["forecaster"], line["bin"], counts[0], *cells[:2])
        table.add_row(*head, counts[1], *cells[2:])
    yield table
    yield "of runs within 5 % of the best for their compute; rows of one cut err together"


def _known(value: Any) -> Any:
    """What is not known is null in JSON."""
    return None if isinstance(value, float) and not isfinite(value) else value


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if isfinite(share) else ""


def _told(found: Coverage, by: Sequence[str]) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table

    from scaling.forecast.rollouts.coverage import LEVELS, SCORED, share

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
        f"n: tables; width and score of {100 * SCORED:g} % intervals, and error, in % of the loss "
        "and in log10 of N_opt; width and error are medians, score is the mean interval score"
    )
    yield from found.words()
    if found.refused:
        yield f"{len(found.refused)} refused, not counted; the first: {found.refused[0]}"
