"""The command `fit`. `scaling.cli` takes it in."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import (
    BoundOption,
    ColumnsOption,
    DeltaOption,
    DrawsOption,
    EngineOption,
    FixedOption,
    JsonOption,
    KindOption,
    LawOption,
    MethodOption,
    NOption,
    ObjectiveOption,
    OnOption,
    ProfileOption,
    RecoveredOption,
    SeedOption,
    TauOption,
    WeightOption,
    WhereOption,
    fit_settings,
    quantity_of,
    read,
)
from scaling.errors import InputError
from scaling.terminal import show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from scaling.fit import Fit
    from scaling.fit.approaches import Allocation
    from scaling.fit.profile import Profile

app = typer.Typer()

_BULKY = ("draws", "points", "weights", "clusters", "residuals")  # in a saved fit, not on a screen


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
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
    recovered: RecoveredOption = False,
    fix: FixedOption = None,
    bound: BoundOption = None,
    by: Annotated[str | None, typer.Option(help="Column of groups fitted together.")] = None,
    share: Annotated[
        str | None,
        typer.Option(
            help="Parameters that the groups share: alpha,beta. Of kind posterior: that they draw "
            "from one population."
        ),
    ] = None,
    draws: DrawsOption = 4000,
    kind: KindOption = "cluster",
    seed: SeedOption = 0,
    engine: EngineOption = None,
    profile: ProfileOption = None,
    save: Annotated[Path | None, typer.Option(help="Write the fit as JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a scaling law to a run table, with intervals from a bootstrap over runs."""
    from scaling.fit import fit as fit_law
    from scaling.fit.show import profile_table, tables
    from scaling.table import write_text

    settings = fit_settings(
        method, objective, delta, tau, on, engine, n, where, weight, fix, bound, draws, kind, seed
    )
    df = read(table, columns, recovered)
    asked = [quantity_of(text) for text in profile or []]
    if by is not None or share is not None:
        if asked:
            raise InputError("--profile: a fit over groups has none; fit one group with --where")
        _fit_groups(df, law, by, share, settings, save, as_json)
        return
    began = perf_counter()
    fitted = fit_law(law, df, **settings)
    seconds = perf_counter() - began
    others, refused = _side_by_side(fitted, df, settings)
    profiles = _profiles(fitted, asked)
    if save is not None:
        write_text(fitted.to_json(), save)
    if as_json:
        data = _brief(fitted.to_dict())
        data["approaches"] = {item.name: item.to_dict() for item in others}
        data["approaches_refused"] = refused
        data["seconds"] = seconds
        if profiles:
            data["profiles"] = {item.label: item.to_dict() for item in profiles}
        show_json(data)
    else:
        show(*tables(fitted, others, refused), *profile_table(profiles))
        if kind == "posterior":
            show(f"posterior in {seconds:.1f} s")


def _profiles(fitted: Fit, asked: list[tuple[str, dict[str, float]]]) -> list[Profile]:
    if not asked:
        return []
    from scaling.fit.profile import profile  # only here: a plain fit need not load it

    return [profile(fitted, name, at) for name, at in asked]


def _fit_groups(
    df: pd.DataFrame,
    law: str,
    by: str | None,
    share: str | None,
    settings: dict[str, Any],
    save: Path | None,
    as_json: bool,
) -> None:
    import json

    from scaling.fit import fit_groups
    from scaling.fit.show import group_tables
    from scaling.table import write_text

    if by is None or share is None:
        raise InputError("--by and --share belong together; one is missing")
    found = fit_groups(law, df, by, [name.strip() for name in share.split(",")], **settings)
    if save is not None:
        write_text(json.dumps(found.to_dict(), allow_nan=False), save)
    if as_json:
        data = found.to_dict()
        show_json({**data, "groups": {k: _brief(v) for k, v in data["groups"].items()}})
    else:
        show(*group_tables(found))


def _brief(fit: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in fit.items() if k not in _BULKY}


def _side_by_side(
    fitted: Fit, df: pd.DataFrame, settings: dict[str, Any]
) -> tuple[list[Allocation], list[str]]:
    """Approaches 1 and 2 beside a law that has an optimum."""
    from scaling.fit.approaches import side_by_side

    if not fitted.exponents():
        return [], []
    draws = min(settings["draws"], 1000)  # for comparison beside the fit
    return side_by_side(
        df, N=settings["N"], draws=draws, seed=settings["seed"], where=settings["where"]
    )
