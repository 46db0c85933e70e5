"""The command `extrapolate`: loss-versus-scale curves beyond their last point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands.options import JsonOption, read
from scaling.terminal import number, show, show_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scaling.extrapolate import CurveForecast
    from scaling.extrapolate.published import Published

app = typer.Typer()

_FEW = 12  # predicted points of one curve that are all printed


@app.command()
def extrapolate(
    file: Annotated[Path, typer.Argument(help="Table of curves: .csv, .tsv or .parquet.")],
    group: Annotated[
        str | None, typer.Option(help="Column that tells curves apart; without it, one curve.")
    ] = None,
    x: Annotated[str, typer.Option("--x", help="Column of the scale: data, parameters, ...")] = "x",
    y: Annotated[str, typer.Option("--y", help="Column of the loss or error rate.")] = "loss",
    split: Annotated[
        str | None,
        typer.Option(help='Column of "fit" and "extrapolate"; without it all rows are fitted.'),
    ] = None,
    at: Annotated[
        list[float] | None,
        typer.Option(parser=number, metavar="NUMBER", help="An x to predict (repeatable)."),
    ] = None,
    methods: Annotated[
        bool, typer.Option(help="Set M1 to M4 and BNSL beside it (about a second a curve).")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the curves to a file: .svg, .pdf or .png.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict a curve's loss at larger scale, with an interval, from its smaller points."""
    from scaling.extrapolate import curves, forecast_curve

    if plot is not None:
        from scaling.plot import extrapolation, save, writable

        writable(plot)
    given = curves(read(file, None), x=x, y=y, group=group, split=split, at=at or ())
    found = [forecast_curve(curve) for curve in given]
    others = []
    if methods:
        from scaling.extrapolate.published import published

        others = [published(curve) for curve in given]
    if plot is not None:
        save(extrapolation(found, x=x, y=y), plot)
    if as_json:
        groups = [item.to_dict() for item in found]
        for data, laws in zip(groups, others, strict=False):
            data["methods"] = {name: law.to_dict() for name, law in laws.items()}
        show_json({"groups": groups})
    else:
        show(*_report(found, x, y))
        if methods:
            show(_methods(found, others))


def _report(found: Sequence[CurveForecast], x: str, y: str) -> Iterator[RenderableType]:
    """What cannot be trusted first; then each curve, or one line a curve where there are many."""
    from rich import box
    from rich.table import Table

    unchecked = [item for item in found if item.unchecked]
    if len(found) == 1:
        yield from (item.unchecked for item in unchecked)
    elif unchecked:
        names = ", ".join(item.curve.group for item in unchecked[:3])
        more = f" and {len(unchecked) - 3} more" if len(unchecked) > 3 else ""
        yield (
            f"unchecked: {len(unchecked)} of {len(found)} curves go beyond what rollouts inside "
            f"them reach: {names}{more}"
        )
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("group", overflow="fold")
    for name in ("fitted", x, y, "90 % interval", "known"):
        table.add_column(name, justify="right")
    for item in found:
        for i in _shown(item, whole=len(found) == 1):
            table.add_row(
                item.curve.group,
                f"{len(item.curve.x)}",
                f"{item.curve.at[i]:.4g}",
                f"{item.prediction[i]:.4g}",
                f"{item.q05[i]:.4g} to {item.q95[i]:.4g}",
                f"{item.curve.truth[i]:.4g}" if item.known[i] else "",
            )
    yield table
    yield from _scores(found)


def _shown(item: CurveForecast, whole: bool) -> list[int]:
    """Which predicted points are printed: all of a single curve where they are few, or the ends."""
    order = sorted(range(len(item.curve.at)), key=lambda i: item.curve.at[i])
    return order if whole and len(order) <= _FEW else order[-1:]


def _scores(found: Sequence[CurveForecast]) -> Iterator[RenderableType]:
    """How far off: where losses ahead are known, and in rollouts inside the curves."""
    rolled = [item.rollout for item in found if item.rollout is not None]
    if len(found) == 1 and rolled:
        one = rolled[0]
        yield (
            f"rollouts inside the curve: {one.fits}, up to {one.reach:.3g}x ahead: RMSLE "
            f"{one.rmsle:.4f}, {100 * one.coverage:.0f} % inside 90 % intervals"
        )
    elif rolled:
        mean = fmean(one.rmsle for one in rolled)
        share = 100 * fmean(one.coverage for one in rolled)
        yield (
            f"rollouts inside {len(rolled)} curves: mean RMSLE {mean:.4f}, {share:.0f} % inside "
            "90 % intervals"
        )
    scores = [item.rmsle for item in found if item.rmsle is not None]
    covered = [item.coverage for item in found if item.coverage is not None]
    if scores:
        mean, share = fmean(scores), 100 * fmean(covered)
        yield (
            f"known losses ahead of {len(scores)} curves: mean RMSLE {mean:.4f}, {share:.0f} % "
            "inside 90 % intervals"
        )


def _methods(
    found: Sequence[CurveForecast], others: Sequence[dict[str, Published]]
) -> RenderableType:
    """RMSLE of ours and of each published law, or its farthest prediction where none is known."""
    from rich import box
    from rich.table import Table

    known = any(item.rmsle is not None for item in found)
    table = Table(box=box.SIMPLE_HEAD, title="RMSLE" if known else "farthest prediction")
    table.add_column("group", overflow="fold")
    for name in ("ours", *others[0]):
        table.add_column(name, justify="right")
    for item, laws in zip(found, others, strict=True):
        if not len(item.curve.at):
            continue
        far = int(item.curve.at.argmax())
        cells = [_cell(item.rmsle, item.prediction[far], known)]
        for law in laws.values():
            value = None if law.prediction is None else law.prediction[far]
            cells.append(_cell(law.rmsle, value, known))
        table.add_row(item.curve.group, *cells)
    return table


def _cell(score: float | None, value: float | None, known: bool) -> str:
    if known:
        return "" if score is None else f"{score:.4f}"
    return "" if value is None else f"{value:.4g}"
