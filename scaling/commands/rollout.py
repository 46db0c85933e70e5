"""The command `rollout`. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import (
    ColumnsOption,
    JsonOption,
    NOption,
    SeedOption,
    WhereOption,
    number_option,
    read,
)
from scaling.terminal import progress, show, show_json
from scaling.units import METRICS_AS_LOSS

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from scaling.forecast.rollouts.rollout import Rollout

app = typer.Typer()


@app.command()
def rollout(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
    max_compute: Annotated[
        float | None,
        number_option("One cut alone: fit the rows up to so many FLOPs, predict all above."),
    ] = None,
    forecaster: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A law of N and D, vpnls, approach_2, isoflop, ... (repeatable); by default the "
            "one that the table's layout calls for.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw errors and coverage by distance: .svg, .pdf, .png.")
    ] = None,
    n: NOption = "N",
    where: WhereOption = None,
    columns: ColumnsOption = None,
    draws: Annotated[int, typer.Option(min=20, help="Draws of each forecast.")] = 500,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Forecast a table's own larger runs from its smaller ones: how far off, how often inside.

    With --max-compute: one forecast from the rows of at most that many FLOPs. Without: one at every
    admissible cut, and errors and coverage by distance.
    """
    from scaling.forecast import forecasters
    from scaling.forecast.rollouts.rollout import rollout as roll
    from scaling.forecast.rollouts.rollout import rollout_to
    from scaling.forecast.rows import rows_of

    if plot is not None:
        from scaling.plot import rollout as draw
        from scaling.plot import save, writable

        writable(plot)
    df = read(table, columns)
    rows = rows_of(df, n, where)
    chosen, why = forecasters.default(rows)
    if forecaster:
        items = [forecasters.get(name) for name in dict.fromkeys(forecaster)]
        why = "as asked"
    else:
        items = [chosen]
    settings: dict[str, Any] = {"N": n, "draws": draws, "seed": seed, "where": where}
    if max_compute is not None:
        found = rollout_to(df, items, max_compute, **settings)
    else:
        with progress("rollouts") as told:
            found = roll(df, items, **settings, progress=told)
    names = [item.name for item in items]
    if plot is not None:
        save(draw(found, kind=rows.kinds["L_kind"]), plot)
    if as_json:
        show_json(_json(found, names, why, one_cut=max_compute is not None))
    else:
        show(*_words(found, names, why, rows.kinds["L_kind"], one_cut=max_compute is not None))


def _json(found: Rollout, names: list[str], why: str, *, one_cut: bool) -> dict[str, Any]:
    from scaling.forecast.rollouts.scores import as_good_rules, scores

    first = _of(found, names[0])
    data: dict[str, Any] = {
        "source": found.source,
        "forecaster": names[0],
        "why": why,
        "cuts": list(found.cuts),
        **first,
        "others": {name: _of(found, name) for name in names[1:]},
        "rules": {
            name: _lines(part)
            for name, part in found.budgets[~found.budgets.forecaster.isin(names)].groupby(
                "forecaster", sort=False
            )
        },
        "scores": _lines(scores(found)),
        "as_good": {name: as_good_rules(found, name) for name in names},
        "refused": list(found.refused),
    }
    return data if not one_cut else {"max_compute": found.cuts[0], **data}


def _of(found: Rollout, name: str) -> dict[str, Any]:
    return {
        "rows": _lines(found.rows[found.rows.forecaster == name]),
        "budgets": _lines(found.budgets[found.budgets.forecaster == name]),
    }


def _lines(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's lines as plain values; what is not known is null."""
    lines = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(key): value for key, value in line.items()} for line in lines]


def _words(
    found: Rollout, names: list[str], why: str, l_kind: str, *, one_cut: bool
) -> Iterator[RenderableType]:
    from scaling.forecast.rollouts.beyond import NEAR
    from scaling.forecast.rollouts.scores import as_good_rules, scores

    cuts = f"C <= {found.cuts[0]:.4g}" if one_cut else f"{len(found.cuts)} cuts"
    of_metric = f"; loss is {l_kind}" if l_kind in METRICS_AS_LOSS else ""
    yield f"rollouts of {found.source} at {cuts} by {', '.join(names)} ({why}){of_metric}"
    if one_cut:
        for name in names if len(found.budgets) else ():
            yield _budgets_table(found, name)
    scored = scores(found)
    if scored.empty:
        yield "no larger run is 2.9 times beyond the cut: too near to score"
    else:
        yield _scores_table(scored)
    yield (
        f"errors of losses within {100 * NEAR:g} % of the best for their compute; intervals are "
        "nominal 90 %, calibrated at each cut by the errors of smaller cuts (in brackets: the "
        "forecaster's own); waste: more compute than N_opt needs"
    )
    for name in names:
        yield from as_good_rules(found, name)
    yield from found.refused


def _budgets_table(found: Rollout, name: str) -> RenderableType:
    from rich import box
    from rich.table import Table

    from scaling.forecast.rules import RULES

    said = {
        key: dict(zip(part.C, part.N_opt, strict=True))
        for key, part in found.budgets.groupby("forecaster")
    }
    table = Table(box=box.SIMPLE_HEAD, title=name, title_justify="left")
    for head in ("C", "beyond", "N_opt, 90 %", *RULES, "N_opt came out", "loss, 90 %", "came out"):
        table.add_column(head, justify="right")
    for line in found.budgets[found.budgets.forecaster == name].to_dict("records"):
        C = line["C"]
        table.add_row(
            f"{C:.4g}",
            f"{line['distance']:.3g}x",
            f"{line['N_opt']:.4g} [{line['N_opt_q05']:.3g}, {line['N_opt_q95']:.3g}]",
            *(_or_dash(said[rule][C], ".4g") for rule in RULES),
            _or_dash(exp(line["n_true"]), ".4g"),
            f"{line['loss_opt']:.4f} [{line['loss_opt_q05']:.4f}, {line['loss_opt_q95']:.4f}]",
            _or_dash(line["loss_true"], ".4f"),
        )
    return table


def _scores_table(table: pd.DataFrame) -> RenderableType:
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD)
    out.add_column("forecaster")
    heads = ("beyond", "runs", "loss error", "inside", "width", "N_opt off", "inside", "waste")
    for head in heads:
        out.add_column(head, justify="right")
    for line in table.to_dict("records"):
        out.add_row(
            line["forecaster"],
            line["bin"],
            _or_dash(line["runs"], ".0f"),
            _or_dash(line["loss_error"], ".2f", " %"),
            _share(line["loss_coverage"], line["loss_bare_coverage"]),
            _or_dash(line["loss_width"], ".1f", " %"),
            _or_dash(line["size_error"], ".3f", " log10"),
            _share(line["size_coverage"], line["size_bare_coverage"]),
            _or_dash(line["waste"], ".1f", " %"),
        )
    return out


def _share(value: float, bare: float) -> str:
    """A coverage, with that of the forecaster's own draws."""
    return "-" if value != value else f"{100 * value:.0f} % ({100 * bare:.0f} %)"


def _or_dash(value: float, form: str, unit: str = "") -> str:
    return "-" if value != value else f"{value:{form}}{unit}"
