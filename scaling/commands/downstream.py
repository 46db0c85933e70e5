"""The command `downstream`: from size or compute to accuracy on tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import (
    ColumnsOption,
    DeltaOption,
    DrawsOption,
    JsonOption,
    MethodOption,
    NOption,
    ObjectiveOption,
    OnOption,
    RecoveredOption,
    SeedOption,
    WhereOption,
    fit_settings,
    number_option,
    read,
    saved_fit,
)
from scaling.errors import InputError
from scaling.terminal import number, show, show_json

if TYPE_CHECKING:
    from scaling.fit import Fit
    from scaling.forecast.downstream import Outcome, TwoStep

app = typer.Typer()


@app.command()
def downstream(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
    law: Annotated[
        str,
        typer.Option(
            "--law",
            help="Step 1: a law of N and D or of C (chinchilla, gadre, task_loss, "
            "task_loss_of_compute, ...), or a fit saved as .json.",
        ),
    ] = "chinchilla",
    then: Annotated[
        str, typer.Option("--then", help="Step 2: task_accuracy or gadre_error.")
    ] = "task_accuracy",
    chance: Annotated[
        float | None,
        typer.Option(help="Accuracy of a model that knows nothing, such as .25; else fitted."),
    ] = None,
    params: Annotated[float | None, number_option("N of the run that is asked about.")] = None,
    tokens: Annotated[float | None, number_option("D of the run that is asked about.")] = None,
    compute: Annotated[
        list[float] | None,
        typer.Option(parser=number, metavar="NUMBER", help="Training FLOPs (repeatable)."),
    ] = None,
    where: WhereOption = None,
    where_first: Annotated[
        str | None, typer.Option(help="Of these, the rows that step 1 is fitted to.")
    ] = None,
    method: MethodOption = None,
    objective: ObjectiveOption = None,
    delta: DeltaOption = 1e-3,
    on: OnOption = None,
    n: NOption = "N",
    columns: ColumnsOption = None,
    recovered: RecoveredOption = False,
    draws: DrawsOption = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Forecast accuracy on tasks: a law of the loss, then a law of accuracy by that loss.

    Columns of the table: loss (or task_loss), and accuracy or error.
    """
    from scaling.forecast.downstream import two_steps

    asked: list[dict[str, float]] = [{"C": C} for C in compute or []]
    if params is not None or tokens is not None:
        given = {"N": params, "D": tokens}
        asked.insert(0, {k: v for k, v in given.items() if v is not None})
    if not asked:
        raise InputError("nothing asked: give --params and --tokens, or --compute")
    settings = fit_settings(
        method, objective, delta, 0.5, on, None, n, None, None, None, None, draws, "cluster", seed
    )
    found = two_steps(
        read(table, columns, recovered),
        saved_fit(Path(law)) if law.endswith(".json") else law,
        then,
        chance=chance,
        N=n,
        where=where,
        where_first=where_first,
        objective=settings["objective"],
        on=settings["on"],
        draws=draws,
        seed=seed,
    )
    outcomes = [found.outcome(**one) for one in asked]
    if as_json:
        show_json(_facts(found, outcomes))
    else:
        show(*_words(found, outcomes))


def _facts(found: TwoStep, outcomes: list[Outcome]) -> dict[str, Any]:
    seen = found.second.points[found.through]
    return {
        "steps": [_step(found.first), _step(found.second)],
        "paired": found.paired,
        "draws": min(len(found.first.draws), len(found.second.draws)),
        "chance": dict(zip(("point", "q05", "q95"), found.chance_level, strict=True)),
        "chance_given": found.chance is not None,
        "loss_range": [float(seen.min()), float(seen.max())],
        "outcomes": [outcome.to_dict() for outcome in outcomes],
    }


def _step(fitted: Fit) -> dict[str, Any]:
    return {
        "law": fitted.law.name,
        "formula": fitted.law.formula,
        "reference": fitted.law.reference,
        "params": fitted.params,
        "status": fitted.status,
        "n_rows": fitted.n_rows,
        "n_clusters": fitted.n_clusters,
        "n_column": fitted.n_column,
        "c_kind": fitted.cost.kind,
        "source": fitted.source,
        "left_out": list(fitted.left_out),
    }


def _words(found: TwoStep, outcomes: list[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        asked = ", ".join(f"{name} = {value:.4g}" for name, value in outcome.asked.items())
        yield f"{asked}: accuracy {_ends(outcome.accuracy)}, loss {_ends(outcome.loss)}"
        if outcome.mean[1] < outcome.mean[2]:
            yield f"  the mean over runs: accuracy {_ends(outcome.mean)}"
        yield from (f"  {told}" for told in outcome.beyond)
    for number_, fitted in enumerate((found.first, found.second), 1):
        law = fitted.law
        yield (
            f"step {number_}, {law.name}: {law.response} = {law.formula}, on {fitted.n_rows} rows "
            f"of {fitted.source}: {fitted.status}"
        )
        yield from fitted.left_out
    seen = found.second.points[found.through]
    how = "as given" if found.chance is not None else "fitted"
    yield (
        f"step 2 has seen losses of {seen.min():.4g} to {seen.max():.4g}; accuracy of a model that "
        f"knows nothing: {_ends(found.chance_level)}, {how}"
    )
    if not len(found.second.draws):
        yield "no intervals: no draws were asked for"
        return
    pairs = (
        "both steps refitted to the same resamples of runs"
        if found.paired
        else "the steps' errors taken as independent, since the first is a saved fit"
    )
    yield (
        f"intervals are 90 %, of one new run, {pairs}: what the runs leave open under these two "
        "laws, not an error of the laws"
    )


def _ends(found: tuple[float, float, float]) -> str:
    point, low, high = found
    return f"{point:.4g} [{low:.4g}, {high:.4g}]" if low < high else f"{point:.4g}"
