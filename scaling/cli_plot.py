"""The command that draws a figure from a table or a saved fit. `scaling.cli` takes it in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.cli_options import (
    BoundOption,
    ColumnsOption,
    DeltaOption,
    DrawsOption,
    FixedOption,
    KindOption,
    MethodOption,
    NOption,
    ObjectiveOption,
    OnOption,
    ProfileOption,
    SeedOption,
    TauOption,
    WeightOption,
    WhereOption,
    fit_settings,
    quantity_of,
    read,
    saved_fit,
)
from scaling.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from scaling.fit import Fit

app = typer.Typer()

_ASKED = 6  # quantities that are profiled unless they are named


@app.command("plot")
def plot_command(
    figure: Annotated[
        str,
        typer.Argument(
            metavar="FIGURE",
            help="envelope, frontier, isoflop, pairs, profile, residuals, slices (of a fit), "
            "rates, sensitivity (of a sweep), rollout (of a run table), families (of several), "
            "overfitting (of one that repeats its data), depth (of a study's folder) or telemetry "
            "(of one run).",
        ),
    ],
    source: Annotated[
        Path,
        typer.Argument(
            help="A run table, a fit saved as .json, a study's folder, or a run's, DIR/cells/ID."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File: .svg, .pdf or .png.")],
    profile: ProfileOption = None,
    law: Annotated[
        str | None,
        typer.Option(help="A law by name, or a formula; chinchilla, or overfit for overfitting."),
    ] = None,
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
    draws: DrawsOption = 1000,
    kind: KindOption = "cluster",
    seed: SeedOption = 0,
) -> None:
    """Draw a figure of a table, of a study's folder, or of a table's fit."""
    from scaling.plot import registry, save

    registry.check(figure)
    asked = [quantity_of(text) for text in profile or []]
    if asked and figure != registry.PROFILE:
        raise InputError(f"--profile: only the figure {registry.PROFILE} takes quantities")
    if figure in registry.OF_RUN:
        save(registry.OF_RUN[figure](*_run(source)), out)
        return
    saved = source.suffix == ".json"
    if saved and figure in (*registry.OF_TABLE, *registry.OF_FITTED_TABLE):
        raise InputError(f"{source}: the figure {figure} needs a run table, not a fit")
    if figure in registry.OF_STUDY:
        if not source.is_dir():
            raise InputError(f"{source}: the figure {figure} needs a study's folder")
        save(registry.OF_STUDY[figure](*registry.study_of(source)), out)
        return
    if figure in registry.OF_TABLE:
        save(registry.OF_TABLE[figure](read(source, columns)), out)
        return
    settings = fit_settings(
        method, objective, delta, tau, on, None, n, where, weight, fix, bound, draws, kind, seed
    )
    chosen = {} if law is None else {"law": law}
    if figure in registry.OF_FITTED_TABLE:
        draw = registry.OF_FITTED_TABLE[figure]
        save(draw(read(source, columns), **chosen, **settings), out)
        return
    if saved:
        fitted = saved_fit(source)
    else:
        from scaling.fit import fit

        fitted = fit(law or "chinchilla", read(source, columns), **settings)
    save(_of_fit(figure, fitted, asked), out)


def _run(folder: Path) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The curve of a run's folder, and what was found in it."""
    import pandas as pd

    from scaling.sweep.records import read_json

    if not (folder / "curve.parquet").is_file():
        raise InputError(f"{folder}: no run's folder (no curve.parquet); give DIR/cells/ID")
    record = read_json(folder / "record.json")
    return pd.read_parquet(folder / "curve.parquet"), list(record.get("findings") or [])


def _of_fit(figure: str, fitted: Fit, asked: list[tuple[str, dict[str, float]]]) -> Figure:
    from scaling.fit.profile import profile
    from scaling.plot import profile as draw_profiles
    from scaling.plot import registry

    if figure != registry.PROFILE:
        return registry.OF_FIT[figure](fitted)
    free = [name for name in (*fitted.params, *fitted.exponents()) if name not in fitted.fixed]
    wanted = asked or [(name, {}) for name in free[:_ASKED]]
    return draw_profiles([profile(fitted, name, at) for name, at in wanted])
