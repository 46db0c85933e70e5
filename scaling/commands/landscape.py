"""The command `landscape`: known models, their trends, and a law's frontier beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands.options import JsonOption, SeedOption, saved_fit
from scaling.errors import InputError
from scaling.terminal import show, show_json

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType
    from rich.table import Table

    from scaling.forecast import Predictor
    from scaling.forecast.landscape import Landscape

app = typer.Typer()

_LAW = "besiroglu2024"


@app.command()
def landscape(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="image or language; by default both.")
    ] = None,
    law: Annotated[
        str | None,
        typer.Option(
            help="Published parameters by name, or a fit saved as .json, that language models are "
            f"set against ({_LAW})."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Models from a year, or YYYY-MM, on.")
    ] = None,
    estimates: Annotated[
        bool, typer.Option("--estimates", help="List models of which others made estimates, too.")
    ] = False,
    sort: Annotated[
        str, typer.Option(help="date, name, size, data, compute, error (image), over, saved.")
    ] = "date",
    seed: SeedOption = 0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the models as CSV.")] = False,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Draw a figure: .svg, .pdf or .png.")
    ] = None,
) -> None:
    """Set known models beside each other, and beside a law's optimum.

    Image models: top-1 error with trends. Language models: over- or under-trained by which factor,
    and what their compute could have bought, by a law.
    """
    from scaling.forecast.landscape import KINDS, check_kind, kinds_since, landscape

    if kind is not None:
        check_kind(kind)
    if kind == "image" and law is not None:
        raise InputError("--law: only language models are set against a law")
    if kind is None and (out is not None or as_csv):
        option = "--out" if out is not None else "--csv"
        raise InputError(f"{option}: of one kind; give {' or '.join(KINDS)}")
    if as_csv and as_json:
        raise InputError("--csv and --json: choose one")
    if out is not None:
        from scaling.plot import writable

        writable(out)
    found = [
        landscape(
            each,
            _law(law or _LAW) if each == "language" else None,
            since=since,
            estimates=estimates,
            sort=sort if kind is not None else "date",
            seed=seed,
        )
        for each in ([kind] if kind is not None else kinds_since(since))
    ]
    if out is not None:
        from scaling.plot import landscape as draw
        from scaling.plot import save

        save(draw(found[0]), out)
    if as_json:
        show_json({one.kind: one.to_dict() for one in found})
    elif as_csv:
        typer.echo(found[0].table().to_csv(index=False), nl=False)
    else:
        for one in found:
            show(*_report(one))


def _law(name: str) -> Predictor:
    from scaling.forecast import published_law

    path = Path(name)
    return saved_fit(path) if path.suffix == ".json" else published_law(name)


def _report(found: Landscape) -> Iterator[RenderableType]:
    yield f"{found.kind} models: {found.counted}"
    yield _images(found.models) if found.kind == "image" else _language(found)
    if found.kind == "language":
        yield _years(found)
    if len(found.estimated):
        yield _estimates(found.estimated)
    yield from found.lines


def _images(models: pd.DataFrame) -> Table:
    out = _table("", "date", "N_total", "images seen", "compute", "top-1 %", "top-5 %", "test",
                 "training", "data")  # fmt: skip
    for row in models.to_dict("records"):
        errors = (_number(100 * row[name]) for name in ("top1_error", "top5_error"))
        mark = "" if row["compute_kind"] == "published" else "~" * bool(row["compute_kind"])
        out.add_row(
            row["name"], row["date"], _count(row["N_total"]), _count(row["images_seen"]),
            mark + _power(row["compute"]), *errors, row["test"], row["training"], row["data"],
        )  # fmt: skip
    return out


def _language(found: Landscape) -> Table:
    """One line a model; where the law has draws, their 90 % of D/D_opt instead of D_opt itself."""
    sure = not any(one.over.q05 < one.over.q95 for one in found.placed)
    out = _table("", "date", "N", "D", "D/N", "C", "D/D_opt", "D_opt" if sure else "90 %", "N_opt",
                 "loss", "best", "as good at C", "saved", "as good at N")  # fmt: skip
    for one in found.placed:
        star = {"total": "", "non-embedding": "", "active": "*"}.get(one.counted, "+")
        ends = f"{one.over.q05:.2g}\u2013{one.over.q95:.2g}"
        out.add_row(
            one.name, one.date, _count(one.N) + star, _count(one.D), _ratio(one.tokens_per_param),
            _power(one.C), f"{one.over.point:.3g}", _count(one.D_opt.point) if sure else ends,
            _count(one.N_opt.point), f"{one.loss.point:.3f}", f"{one.loss_opt.point:.3f}",
            _power(one.same_loss.point), f"{one.saved:.0%}", _count(one.smaller),
        )  # fmt: skip
    return out


def _years(found: Landscape) -> Table:
    out = _table("year", "models", "median D/N", "median D/D_opt", "median saved", left=())
    for year, n, ratio, over, saved in found.by_year():
        out.add_row(year, str(n), _ratio(ratio), f"{over:.3g}", f"{saved:.0%}")
    return out


def _estimates(models: pd.DataFrame) -> Table:
    out = _table("estimated, not published", "date", "N_total", "compute", "by", left=(0, 1, 4))
    for row in models.to_dict("records"):
        out.add_row(row["name"], row["date"], _count(row["N_total"]), _power(row["compute"]),
                    row["by"])  # fmt: skip
    return out


def _table(*names: str, left: Sequence[int] = (0, 1)) -> Table:
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(names):
        words = i in left or name in ("test", "training", "data")
        out.add_column(name, justify="left" if words else "right", no_wrap=i == 0)
    return out


def _number(value: float) -> str:
    return "" if value != value else f"{value:.3g}"


def _power(value: float) -> str:
    """FLOPs: 3.14e23."""
    return "" if value != value else f"{value:.2e}".replace("e+", "e")


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _count(value: float | None) -> str:
    """Three digits and a letter: 70B, 1.4T; empty where it is not known."""
    if value is None or value != value:
        return ""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
