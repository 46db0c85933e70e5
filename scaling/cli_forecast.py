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
    LawOption,
    MethodOption,
    NOption,
    NumberOption,
    ObjectiveOption,
    OnOption,
    SeedOption,
    TauOption,
    WeightOption,
    WhereOption,
    fit_settings,
    read,
    saved_fit,
)
from scaling.errors import InputError
from scaling.terminal import number, show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from scaling.fit import Fit
    from scaling.forecast import PublishedLaw

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
    draws: DrawsOption = 4000,
    kind: KindOption = "cluster",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Forecast what to train with a budget, and the loss to expect."""
    from scaling.fit import fit
    from scaling.forecast import budget, published_law
    from scaling.forecast import forecast as forecast_run

    if (flops_per_second is None) != (hours is None):
        raise InputError("--flops-per-second and --hours belong together; one is missing")
    budgets: list[float | None] = [*(compute or [])]
    if flops_per_second is not None and hours is not None:
        budgets.append(budget(flops_per_second, hours))
    path, nearest = Path(source), None
    predictor: Fit | PublishedLaw
    if path.suffix == ".json":
        predictor = saved_fit(path)
    elif path.suffix or path.exists():
        settings = fit_settings(
            method, objective, delta, tau, on, None, n, where, weight, fix, bound, draws, kind, seed
        )
        df = read(path, columns)
        predictor = fit(law, df, **settings)
        nearest = _buildable(df, n)
    else:
        predictor = published_law(source)
    found = [
        forecast_run(predictor, compute=c, tokens=tokens, params=params, nearest=nearest)
        for c in budgets or [None]
    ]
    head, facts = _behind(predictor)
    if as_json:
        show_json(
            {
                "law": predictor.law.name,
                **facts,
                "n_column": predictor.n_column,
                "c_kind": predictor.cost.kind,
                "budgets": [item.budget() for item in found],
                "forecasts": [item.to_dict() for item in found],
            }
        )
    else:
        show(head, *map(str, found))


def _behind(predictor: Fit | PublishedLaw) -> tuple[str, dict[str, Any]]:
    """What a forecast rests on: one line, and the same for JSON."""
    from scaling.fit import Fit

    if isinstance(predictor, Fit):
        rows = f"{predictor.n_rows} rows of {predictor.source}"
        return f"law {predictor.law.name} on {rows}: {predictor.status}", {
            "params": predictor.params,
            "status": predictor.status,
            "n_rows": predictor.n_rows,
        }
    return str(predictor), {
        "params": dict(predictor.published.params),
        "status": "published parameters: no intervals",
        "n_rows": 0,
        "reference": predictor.published.reference,
        "note": predictor.published.note,
    }


def _buildable(df: pd.DataFrame, n: str) -> Callable[[float], dict[str, Any]] | None:
    """From N to the nearest configuration of the table's own ladder, where it names one."""
    if not {"family", "config"} <= set(df.columns) or df["family"].nunique() != 1:
        return None
    from scaling.families import nearest_like

    return nearest_like(str(df["family"].iloc[0]), df["config"].unique(), n)
