"""The command `rates`: the best learning rate and batch of sweeps. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, expm1, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import (
    ColumnsOption,
    DrawsOption,
    JsonOption,
    NOption,
    SeedOption,
    WhereOption,
    read,
)
from scaling.errors import InputError
from scaling.terminal import show, show_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scaling.fit import Fit
    from scaling.fit.optima import Best, Optima
    from scaling.fit.rate_laws import RateLaws

app = typer.Typer()


@app.command()
def rates(
    table: Annotated[Path, typer.Argument(help="Run table of a sweep: .csv, .tsv or .parquet.")],
    laws: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Laws to fit; by default lr_at_batch, lr_of_size_and_tokens (Step Law, Bjorck), "
            "lr_of_compute (DeepSeek), lr_of_tokens, batch_of_tokens, batch_of_compute.",
        ),
    ] = None,
    n: NOption = "N",
    where: WhereOption = None,
    columns: ColumnsOption = None,
    draws: DrawsOption = 1000,
    seed: SeedOption = 0,
    save: Annotated[
        Path | None,
        typer.Option(help='Write the laws as JSON, for `rate_law = "FILE"` of a grid.'),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the best learning rate and batch of each size and length, and fit laws to them.

    The table needs learning_rate, N, D, loss, and for batches batch_tokens (or batch_images).
    Runs that diverged count: their rate was too high.
    """
    from scaling.fit.optima import optima
    from scaling.fit.rate_laws import LAWS, rate_laws
    from scaling.table import write_text

    if draws < 2:
        raise InputError(f"--draws {draws}: an interval needs 2 draws or more")
    found = optima(read(table, columns), N=n, where=where, draws=draws, seed=seed)
    names = [name.strip() for name in laws.split(",")] if laws else LAWS
    fitted = rate_laws(found, N=n, names=names)
    if save is not None:
        if not fitted.fits:
            raise InputError(f"{table}: no law can be saved: {'; '.join(fitted.refused)}")
        write_text(fitted.to_json(found), save)
    if as_json:
        show_json(_to_dict(found, fitted))
    else:
        show(*_report(found, fitted))


def _report(found: Optima, fitted: RateLaws) -> Iterator[RenderableType]:
    yield _optima(found)
    noise = f"{100 * found.noise:.2g} % of the loss" if found.spare else "unknown"
    yield (
        f"noise of a run: {noise} (by {found.noise_of}); intervals hold 90 %; x 1/2, x 2: what "
        "half and twice the best cost, % of the loss; an optimum at its sweep's end is a bound"
    )
    yield from (str(item) for item in found.sweeps.left_out)
    for fit in fitted.fits:
        yield _law(fit)
    yield from (f"not fitted: {item}" for item in fitted.refused)


def _optima(found: Optima) -> RenderableType:
    from rich import box
    from rich.table import Table

    from scaling.units import unit_of_d

    unit = unit_of_d(found.sweeps.kinds["D_kind"])
    batches = any(item.batch is not None for item in found.found)
    out = Table(box=box.SIMPLE_HEAD)
    names = ["N", f"D ({unit})", "best rate", "90 % interval", "x 1/2", "x 2"]
    names += [f"best batch ({unit})", "90 % interval", "x 1/2", "x 2"] if batches else []
    for name in [*names, "loss", "diverged"]:
        out.add_column(name, justify="right", no_wrap="interval" in name)
    for item in found.found:
        cells = [f"{item.sweep.at['N']:.3g}", f"{item.sweep.at['D']:.3g}", *_cells(item.rate)]
        if batches:
            cells += ["", "", "", ""] if item.batch is None else _cells(item.batch)
        out.add_row(*cells, f"{item.loss:.4f}", str(item.sweep.diverged or ""))
    return out


def _cells(best: Best) -> list[str]:
    """Estimate (or bound), interval, and the cost of half and twice."""
    low, high = best.interval()
    lower = f"{low:.3g}" if low else ""
    upper = f"{high:.3g}" if isfinite(high) else ""
    interval = f"{lower} to {upper}" if lower and upper else f"above {lower}" if lower else ""
    interval = interval or (f"below {upper}" if upper else "open")
    costs = [f"{100 * expm1(c):+.2f}" if isfinite(c) else "" for c in best.twofold]
    return [f"{best.bound} {best.value:.3g}".strip(), interval, *costs]


def _law(fit: Fit) -> str:
    """One law on a line: its formula, each parameter with its interval, how optima scatter."""
    parts = []
    for name, value in fit.params.items():
        low, high = fit.interval(name)
        parts.append(f"{name} = {value:.4g} [{low:.3g}, {high:.3g}]")
    scatter = float((fit.residuals**2).mean() ** 0.5)
    warning = fit.status.partition("warning: ")[2]
    return (
        f"{fit.law.name}: {fit.law.response} = {fit.law.formula}; {', '.join(parts)}; "
        f"{fit.n_rows} optima, which scatter by x {exp(scatter):.3g}"
        + (f"; warning: {warning}" if warning else "")
    )


def _to_dict(found: Optima, fitted: RateLaws) -> dict[str, Any]:
    return {
        "noise": {"value": found.noise, "of": found.noise_of, "degrees_of_freedom": found.spare},
        "optima": [
            {
                **item.sweep.at,
                "learning_rate": _best(item.rate),
                "batch": None if item.batch is None else _best(item.batch),
                "rate_at_batch": [
                    {"batch": batch, **_best(best)}
                    for batch, best in item.by_batch
                    if isfinite(batch)
                ],
                "loss": item.loss,
                "points": len(item.sweep.rates),
                "diverged": item.sweep.diverged,
            }
            for item in found.found
        ],
        "laws": [
            {
                "law": fit.law.name,
                "response": fit.law.response,
                "formula": fit.law.formula,
                "params": fit.params,
                "intervals": {name: list(fit.interval(name)) for name in fit.params},
                "optima": fit.n_rows,
                "status": fit.status,
            }
            for fit in fitted.fits
        ],
        "not_fitted": list(fitted.refused),
        "left_out": [str(item) for item in found.sweeps.left_out],
    }


def _best(best: Best) -> dict[str, Any]:
    low, high = best.interval()
    half, twice = (expm1(c) if isfinite(c) else None for c in best.twofold)
    return {
        "value": best.value,
        "bound": best.bound or None,
        "interval": [low or None, high if isfinite(high) else None],
        "half_costs": half,
        "twice_costs": twice,
    }
