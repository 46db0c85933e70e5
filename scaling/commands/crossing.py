"""The command `crossing`. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import (
    BoundOption,
    ColumnsOption,
    DeltaOption,
    FixedOption,
    JsonOption,
    LawOption,
    MethodOption,
    NOption,
    ObjectiveOption,
    OnOption,
    SeedOption,
    TauOption,
    WeightOption,
    WhereOption,
    fit_settings,
    read,
)
from scaling.errors import InputError
from scaling.terminal import number, pairs, show, show_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scaling.forecast.decisions.crossing import Crossing
    from scaling.forecast.decisions.groups import Groups
    from scaling.forecast.decisions.standings import Standing
    from scaling.forecast.decisions.versus import Versus

app = typer.Typer()


@app.command()
def crossing(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
    by: Annotated[str, typer.Option(help="Column whose groups are set side by side.")] = "family",
    compute: Annotated[
        list[float] | None,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="Who wins at these FLOPs (repeatable); by default the largest run's of the group "
            "that has least, and ten times the largest of all.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="N=..,D=..", help="Who wins at one N and D, too: N=70B,D=1.4T, trained alike."
        ),
    ] = None,
    pair: Annotated[
        bool,
        typer.Option(
            help="Resample runs of one seed, N and D (or rank of these) in several groups together."
        ),
    ] = True,
    reach: Annotated[
        float, typer.Option(help="Look for crossings up to so many times the largest run's FLOPs.")
    ] = 1000.0,
    plot: Annotated[
        Path | None, typer.Option(help="Draw loss and top-1 error of each: .svg, .pdf, .png.")
    ] = None,
    law: LawOption = "chinchilla",
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
    draws: Annotated[int, typer.Option(min=20, help="Draws of each fit.")] = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Set model families (or other groups) side by side: exponents, crossings, and which wins.

    A law is fitted to each group alone.
    """
    from scaling.forecast.decisions.crossing import side_by_side
    from scaling.forecast.decisions.standings import standings
    from scaling.forecast.decisions.versus import at_compute, at_place

    if plot is not None:
        from scaling.plot import families, save, writable

        writable(plot)
    place = None if at is None else _place(at)
    df = read(table, columns)
    settings = fit_settings(
        method, objective, delta, tau, on, None, n, where, weight, fix, bound, draws, "cluster",
        seed,
    )  # fmt: skip
    views = side_by_side(law, df, by, reach=reach, pair=pair, **settings)
    found, crossings = views[0].groups, views[0].crossings
    ends = [fitted.c_max for fitted in found.fits.values()]
    asked = compute or [min(ends), 10 * max(ends)]
    told = standings(found, asked)
    duels = at_compute(found, asked) + ([] if place is None else at_place(found, *place))
    if plot is not None:
        save(families(views), plot)
    if as_json:
        show_json(_finite(_json(found, crossings, told, duels)))
    else:
        show(*_words(found, crossings, told, duels))


def _place(text: str) -> tuple[float, float]:
    """`N=70B,D=1.4T` as two numbers."""
    given = pairs(text, "--at")
    if set(given) != {"N", "D"}:
        raise InputError(f"--at {text!r}: give N and D, such as N=70B,D=1.4T")
    return number(given["N"]), number(given["D"])


def _json(
    found: Groups,
    crossings: Sequence[Crossing],
    told: Sequence[Standing],
    duels: Sequence[Versus],
) -> dict[str, Any]:
    return {
        "source": found.source,
        "by": found.by,
        "law": found.law.name,
        "formula": found.law.formula,
        "conventions": dict(found.kinds),
        "groups": {
            name: {
                "n_rows": fitted.n_rows,
                "n_clusters": fitted.n_clusters,
                "status": fitted.status,
                "c_min": fitted.c_min,
                "c_max": fitted.c_max,
            }
            for name, fitted in found.fits.items()
        },
        "parameters": {
            name: {group: asdict(value) for group, value in values.items()}
            for name, values in found.parameters().items()
        },
        "pairing": None if found.pairing is None else found.pairing.to_dict(),
        "crossings": [item.to_dict() for item in crossings],
        "standings": [asdict(item) for item in told],
        "versus": [item.to_dict() for item in duels],
        "notes": list(found.notes),
        "refused": list(found.refused),
        "left_out": [str(item) for item in found.left_out],
    }


def _finite(value: Any) -> Any:
    """The same with null for what JSON has no number for: an interval's end that ran away."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value if not isinstance(value, float) or isfinite(value) else None


def _words(
    found: Groups,
    crossings: Sequence[Crossing],
    told: Sequence[Standing],
    duels: Sequence[Versus],
) -> Iterator[RenderableType]:
    from scaling.units import measure, unit_of_d

    kinds = found.kinds
    loss = "loss" if kinds["L_kind"] == "unstated" else measure(kinds["L_kind"]).label
    yield (
        f"{found.law.name}: L = {found.law.formula}, fitted to each {found.by} of {found.source} "
        f"alone; L is {loss[0].lower()}{loss[1:]}, D counts {unit_of_d(kinds['D_kind'])}"
    )
    yield _parameters(found)
    yield from (*found.notes, *found.refused, *map(str, found.left_out))
    for name, fitted in found.fits.items():
        if fitted.status != "converged":
            yield f"{name}: {fitted.status}"
    for item in crossings:
        yield str(item)
    if any(item.sides and item.told_apart for item in crossings):
        yield _sides(crossings)
    yield _standings(told)
    yield from map(str, duels)
    if found.pairing is not None:
        yield str(found.pairing)
    yield (
        f"intervals are 90 %, of {len(next(iter(found.fits.values())).draws)} bootstrap draws a "
        "fit: what the runs leave open under this law, not an error of the law, which grows beyond "
        "the data"
    )


def _parameters(found: Groups) -> RenderableType:
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD)
    out.add_column("")
    for name in found.names:
        out.add_column(name)
    rows = [str(fitted.n_rows) for fitted in found.fits.values()]
    out.add_row("rows", *rows)
    for name, values in found.parameters().items():
        means = {"a": "a: N_opt ~ C^a", "b": "b: D_opt ~ C^b", "gamma": "gamma: L - E ~ C^-gamma"}
        out.add_row(means.get(name, name), *(str(values[group]) for group in found.names))
    return out


def _sides(crossings: Sequence[Crossing]) -> RenderableType:
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD, title="At the crossings", title_justify="left")
    for name in ("C", "", "N_opt", "D_opt", "loss", "beyond its largest run"):
        out.add_column(name)
    for item in crossings:
        if not item.told_apart:
            continue
        for name, side in item.sides.items():
            C = f"{item.C:.4g}" if name == item.first else ""
            beyond = f"{side.decades:.2g} decades" if side.decades > 0 else "-"
            out.add_row(C, name, str(side.N), str(side.D), str(side.loss), beyond)
    return out


def _standings(told: Sequence[Standing]) -> RenderableType:
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD, title="Who wins", title_justify="left")
    for name in ("C", "", "best in", "loss", "N_opt", "D_opt", "beyond its largest run"):
        out.add_column(name)
    before = None
    for item in told:
        beyond = f"{item.decades:.2g} decades" if item.decades > 0 else "-"
        C = f"{item.C:.4g}" if before != item.C else ""
        share = f"{item.best:.0%} of draws"
        out.add_row(C, item.group, share, str(item.loss), str(item.N), str(item.D), beyond)
        before = item.C
    return out
