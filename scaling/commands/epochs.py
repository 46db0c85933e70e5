"""The command `epochs`: what repeated data are worth. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands import completion
from scaling.commands.options import (
    BoundOption,
    ColumnsOption,
    DeltaOption,
    FixedOption,
    JsonOption,
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
from scaling.terminal import number, show, show_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scaling.fit import Fit
    from scaling.forecast.further.overfitting import Budget, Epochs, Needed

app = typer.Typer()


@app.command()
def epochs(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
    size: Annotated[
        float | None,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="The model's N; by default the table's largest.",
        ),
    ] = None,
    unique: Annotated[
        float | None,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="Distinct tokens (images); by default the most that the table repeats.",
        ),
    ] = None,
    seen: Annotated[
        float | None,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="Also: the unique data that a run of this D needs.",
        ),
    ] = None,
    compute: Annotated[
        float | None,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="Also: the best N and epochs for these FLOPs.",
        ),
    ] = None,
    at: Annotated[
        list[float] | None,
        typer.Option(parser=number, metavar="NUMBER", help="Epochs to list (repeatable)."),
    ] = None,
    within: Annotated[
        float, typer.Option(help="Share of the loss that is as good as the best.")
    ] = 0.01,
    reach: Annotated[
        float, typer.Option(help="Look at up to so many times the table's longest repetition.")
    ] = 4.0,
    law: Annotated[
        str,
        typer.Option(
            "--law",
            help="A law of N, D and D_unique: overfit, muennighoff_tied, ...",
            autocompletion=completion.laws,
        ),
    ] = "overfit",
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
    draws: Annotated[int, typer.Option(min=20, help="Draws of the fit.")] = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Tell how many epochs are worth it, and how much unique data a model needs."""
    from scaling.fit import fit as fit_law
    from scaling.forecast.further.answers import to_json
    from scaling.forecast.further.overfitting import Repetition

    settings = fit_settings(
        method, objective, delta, tau, on, None, n, where, weight, fix, bound, draws, "cluster",
        seed,
    )  # fmt: skip
    fitted = fit_law(law, read(table, columns), **settings)
    asked = Repetition(fitted, within=within, reach=reach)
    N = size or float(fitted.points["N"].max())
    U, found = unique, None
    if asked.repeats:
        U = unique or _most_repeated(fitted)
        found = asked.epochs(N, U, at)
    needed = [asked.needed(N), *([] if seen is None else [asked.needed(N, seen)])]
    # Without U the law is one that a budget refuses, and says why.
    budget = None if compute is None else asked.budget(compute, U or N)
    notes = asked.beyond(N=N, D_unique=U, D=seen)
    if as_json:
        show_json(
            {
                "source": fitted.source,
                "law": fitted.law.name,
                "formula": fitted.law.formula,
                "n_column": fitted.n_column,
                "conventions": fitted.conventions,
                "n_rows": fitted.n_rows,
                "n_clusters": fitted.n_clusters,
                "status": fitted.status,
                "params": fitted.params,
                "longest": asked.longest,
                "epochs": to_json(found),
                "needed": [to_json(item) for item in needed],
                "budget": to_json(budget),
                "beyond": notes,
                "left_out": list(fitted.left_out),
            }
        )
    else:
        show(*_words(fitted, asked.longest, found, needed, budget), *notes)


def _most_repeated(fitted: Fit) -> float:
    unique = fitted.points["D_unique"][fitted.points["D"] > 1.001 * fitted.points["D_unique"]]
    if not len(unique):
        raise InputError(f"{fitted.source}: no run repeats its data (D is nowhere above D_unique)")
    return float(unique.max())


def _words(
    fitted: Fit,
    longest: float,
    found: Epochs | None,
    needed: list[Needed],
    budget: Budget | None,
) -> Iterator[RenderableType]:
    from scaling.units import measure, unit_of_d

    kinds = fitted.conventions
    units = unit_of_d(kinds["D_kind"])
    loss = "loss" if kinds["L_kind"] == "unstated" else measure(kinds["L_kind"]).label
    share = f"{100 * needed[0].within:.3g} %"
    yield (
        f"{fitted.law.name}: L = {fitted.law.formula}, fitted to {fitted.n_rows} rows of "
        f"{fitted.n_clusters} {fitted.cluster_by}s of {fitted.source}; L is "
        f"{loss[0].lower()}{loss[1:]}, D counts {units}, N is {fitted.n_column}"
    )
    yield fitted.status
    yield from fitted.left_out
    if found is not None:
        yield from _of_epochs(found, longest, units, share)
    for item in needed:
        yield _need(item, units, share)
    if budget is not None:
        yield (
            f"best for C = {budget.C:.4g} and {budget.D_unique:,.0f} unique {units}: N = "
            f"{budget.N}, {budget.epochs} epochs, loss {budget.loss}; with unlimited {units}: N = "
            f"{budget.fresh_size}, loss {budget.fresh_loss}"
        )
    yield (
        f"intervals are 90 %, of {len(fitted.draws)} bootstrap draws: what the runs leave open "
        "under this law, not an error of the law"
    )


def _of_epochs(found: Epochs, longest: float, units: str, share: str) -> Iterator[RenderableType]:
    unit, most = units.removesuffix("s"), found.best.most
    yield _table(found, units, unit)
    if found.turns > 0:
        yield (
            f"the loss is least after {found.best} epochs, {found.best_loss}; it rises from there "
            f"in {found.turns:.0%} of draws"
        )
    else:
        yield f"the loss does not rise; it reaches {found.best_loss}"
    yield f"within {share} of that after {found.enough} epochs"
    yield f"a repeated {unit} is worth less than half a fresh one after {found.half} epochs"
    yield f"the table repeats up to {longest:.3g} times, and up to {most:.4g} were looked at"


def _need(item: Needed, units: str, share: str) -> str:
    if item.D is None:
        return (
            f"unique {units} that N = {item.N:,.0f} needs for its best run to come within {share} "
            f"of the loss of unlimited {units}: {item.D_unique}"
        )
    return (
        f"unique {units} that a run of N = {item.N:,.0f} on D = {item.D:,.0f} needs to lose no "
        f"more than {share} against fresh ones: {item.D_unique}"
    )


def _table(found: Epochs, units: str, unit: str) -> RenderableType:
    from rich import box
    from rich.table import Table

    title = f"N = {found.N:,.0f}, {found.D_unique:,.0f} unique {units}"
    out = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("epochs", "loss", "worth fresh epochs", f"next {unit} worth"):
        out.add_column(name)
    for row in found.rows:
        out.add_row(f"{row.epochs:.4g}", str(row.loss), str(row.fresh), str(row.next_token))
    return out
