"""The command `forecast`. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.cli_options import (
    BoundOption,
    ColumnsOption,
    DeltaOption,
    DrawsOption,
    FixedOption,
    JsonOption,
    KindOption,
    LawsOption,
    MethodOption,
    NOption,
    NumberOption,
    ObjectiveOption,
    OnOption,
    RecoveredOption,
    SeedOption,
    TauOption,
    WeightOption,
    WhereOption,
    fit_settings,
    forecasters_of,
    read,
    saved_fit,
)
from scaling.errors import InputError
from scaling.terminal import number, progress, show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from scaling.forecast.grounds import Grounds

app = typer.Typer()


@app.command()
def forecast(
    source: Annotated[
        str,
        typer.Argument(help="A run table, a fit saved as .json, or published parameters by name."),
    ],
    compute: Annotated[
        list[float] | None,
        typer.Option(parser=number, metavar="NUMBER", help="Training FLOPs (repeatable)."),
    ] = None,
    tokens: NumberOption = None,
    params: NumberOption = None,
    flops_per_second: NumberOption = None,
    hours: NumberOption = None,
    law: Annotated[
        str | None,
        typer.Option(
            help='A law by name, or "E + A/N**alpha"; by default what the table\'s layout calls '
            "for (chinchilla where options of a fit are given)."
        ),
    ] = None,
    laws: LawsOption = None,
    rollouts: Annotated[
        bool, typer.Option(help="Calibrate intervals by forecasts of the table's own larger runs.")
    ] = True,
    method: MethodOption = None,
    objective: ObjectiveOption = None,
    delta: DeltaOption = 1e-3,
    tau: TauOption = 0.5,
    on: OnOption = None,
    n: NOption = "N",
    where: WhereOption = None,
    weight: WeightOption = None,
    columns: ColumnsOption = None,
    recovered: RecoveredOption = False,
    fix: FixedOption = None,
    bound: BoundOption = None,
    draws: DrawsOption = 4000,
    kind: KindOption = "cluster",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Forecast what to train with a budget, and the loss to expect.

    With --laws: the average of several, weighted by how they predicted the table's larger runs.
    """
    from scaling.forecast import budget, question
    from scaling.forecast import forecast as forecast_run

    if (flops_per_second is None) != (hours is None):
        raise InputError("--flops-per-second and --hours belong together; one is missing")
    if law is not None and laws is not None:
        raise InputError("--law and --laws: choose one")
    budgets: list[float | None] = [*(compute or [])]
    if flops_per_second is not None and hours is not None:
        budgets.append(budget(flops_per_second, hours))
    asked = [question(compute=c, tokens=tokens, params=params) for c in budgets or [None]]
    path, nearest = Path(source), None
    if path.suffix == ".json" or not (path.suffix or path.exists()):
        grounds = _without_table(path)
    else:
        df = read(path, columns, recovered)
        nearest = _buildable(df, n, where)
        settings = fit_settings(
            method, objective, delta, tau, on, None, n, where, weight, fix, bound, draws, kind, seed
        )
        if any((method, objective, on, weight, fix, bound)) or kind != "cluster":
            if laws is not None:
                raise InputError("--laws: each has a way of its own; options of a fit need --law")
            law = law or "chinchilla"
        grounds = _of_table(df, law, laws, rollouts, settings)
    found = [
        forecast_run(
            grounds.predictor,
            **numbers,
            nearest=nearest,
            naive=grounds.naive,
            kinds=grounds.kinds,
        )
        for numbers in asked
    ]
    if as_json:
        show_json(
            {
                **grounds.facts,
                "warnings": [*grounds.warnings],
                "beyond_checked": any(item.beyond_checked for item in found),
                "n_column": grounds.predictor.n_column,
                "c_kind": grounds.predictor.cost.kind,
                "budgets": [item.budget() for item in found],
                "forecasts": [item.to_dict() for item in found],
            }
        )
    else:
        show(*grounds.warnings, *map(str, found), *grounds.lines)


def _of_table(
    df: pd.DataFrame,
    law: str | None,
    laws: str | None,
    rollouts: bool,
    settings: dict[str, Any],
) -> Grounds:
    """The default forecaster of a table, the law asked for, or the average of several."""
    from scaling.forecast import from_table

    with progress("rollouts") as told:
        if law is not None:
            return from_table.of_law(df, law, **settings, rollouts=rollouts, progress=told)
        common = {key: settings[key] for key in ("N", "where", "draws", "seed")}
        if laws is not None:
            return from_table.of_laws(df, forecasters_of(laws), **common, progress=told)
        return from_table.of_default(df, **common, rollouts=rollouts, progress=told)


def _without_table(path: Path) -> Grounds:
    """A saved fit, or published parameters by name."""
    from scaling.forecast import grounds, published_law

    if path.suffix == ".json":
        return grounds.of_fit(saved_fit(path))
    return grounds.of_published(published_law(str(path)))


def _buildable(
    df: pd.DataFrame, n: str, where: str | None
) -> Callable[[float], dict[str, Any]] | None:
    """From N to the nearest configuration of the table's own ladder, where it names one."""
    if not {"family", "config"} <= set(df.columns):
        return None
    from scaling.families import nearest_like
    from scaling.table import select_rows

    if df["family"].nunique() > 1:  # then the filter chooses one
        df, _ = select_rows(df, where)
    if df["family"].nunique() != 1:
        return None

    return nearest_like(str(df["family"].iloc[0]), df["config"].unique(), n)
