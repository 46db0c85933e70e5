"""The command `import`: runs that other tools trained, as one run table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import JsonOption
from scaling.errors import InputError
from scaling.terminal import pairs, plain, progress, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.importing import Imported
    from scaling.importing.proposal import Proposal

app = typer.Typer()


@app.command("import")
def import_(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Files, folders, globs, URLs or wandb:ENTITY/PROJECT. None: list the importers.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run table: .parquet, .csv or .tsv.")
    ] = None,
    importer: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="The importer, by name.")
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="OURS=THEIRS",
            help='N=params, D="step * 524288", loss="`val/loss`" (repeatable); run=COLUMN, of '
            "tables, tells runs apart (several: a+b; each: every row is a run).",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="Conventions that you know: N=total,C=6ND,L=bits_per_byte."),
    ] = None,
    loss: Annotated[
        str, typer.Option(help="Which loss of a run: final, best, smoothed or smoothed:K.")
    ] = "final",
    train_loss: Annotated[
        bool, typer.Option("--train-loss", help="Take the training loss as L; L_kind tells.")
    ] = False,
    points: Annotated[
        str, typer.Option(help="Points of a run: its end (1), so many up to it, or all.")
    ] = "1",
    as_finished: Annotated[
        bool,
        typer.Option(
            "--as-finished",
            help="Points on the way count as finished runs: for rates that never decay.",
        ),
    ] = False,
    keep: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Settings to keep as columns.")
    ] = None,
    curves: Annotated[
        Path | None, typer.Option(help="Write all points of all runs: .parquet.")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take the guessed columns.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import runs that other tools trained: logs to one run table, with a written account."""
    if not source:
        _list(as_json)
        return
    from scaling.importing import Asked, import_runs
    from scaling.importing.conventions import kinds_given
    from scaling.table import TABLES, write_table

    if out is None or out.suffix not in TABLES:
        told = f"{out}: a table ends in" if out is not None else "-o: name the table to write,"
        raise InputError(f"{told} one of {', '.join(TABLES)}")
    _refuse_own_source(source, {"-o": out, "--curves": curves})
    mapped = dict(_map(text) for text in maps or [])
    run = mapped.pop("run", None)
    asked = Asked(
        maps=mapped,
        kinds=kinds_given(pairs(kind, "--kind") if kind else {}),
        options={k: v for k, v in (("sheet", sheet), ("run", run)) if v is not None},
        importer=importer,
        loss=loss,
        points=_points(points),
        as_finished=as_finished,
        training=train_loss,
        keep=tuple(name.strip() for name in keep.split(",")) if keep else (),
        curves=curves,
    )
    settings = [
        (option, value)
        for option, value, default in (
            ("--from", importer, None),
            ("--map", f"run={run}" if run else None, None),
            ("--kind", kind, None),
            ("--loss", loss, "final"),
            ("--points", points, "1"),
            ("--keep", keep, None),
            ("--curves", str(curves) if curves else None, None),
            ("--sheet", sheet, None),
            ("-o", str(out), None),
        )
        if value != default
    ]
    flags = {"--train-loss": train_loss, "--as-finished": as_finished}
    settings += [(flag, None) for flag, given in flags.items() if given]
    with ExitStack() as stack:
        bar: list[Callable[[int, int], None]] = []

        def agree(found: Proposal) -> None:
            _agree(found, yes=yes, quiet=as_json)
            bar.append(stack.enter_context(progress("runs read")))  # not while it asks

        made = import_runs(source, asked, agree=agree, settings=settings,
                           progress=lambda done, total: bar[0](done, total))  # fmt: skip
    write_table(made.df, out)
    written = made.account.write(out)
    _tell(made, out, written, as_json)


def _map(text: str) -> tuple[str, str]:
    ours, equals, theirs = (part.strip() for part in text.partition("="))
    if not (ours and equals and theirs):
        raise InputError(f"--map {text!r}: valid is OURS=THEIRS, such as N=params")
    return {"L": "loss"}.get(ours, ours), theirs


def _refuse_own_source(sources: list[str], written: dict[str, Path | None]) -> None:
    """Raise InputError where what is read would be written over."""
    read = [Path(source) for source in sources if Path(source).exists()]
    for option, path in written.items():
        if path is not None and path.exists() and any(path.samefile(each) for each in read):
            raise InputError(f"{option} {path}: is what is read; write to another file")


def _points(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--points {text!r}: valid is a whole number from 1 on, or all")
    return int(text)


def _list(as_json: bool) -> None:
    """The importers, each with an example."""
    from scaling import importers

    found = {name: importers.get(name) for name in importers.names()}
    if as_json:
        show_json({name: {"about": each.ABOUT, "example": each.EXAMPLE}
                   for name, each in found.items()})  # fmt: skip
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("importer", "reads", "example"):
        table.add_column(heading, overflow="fold")
    for name, each in found.items():
        table.add_row(name, each.ABOUT, f"scaling import {each.EXAMPLE} -o runs.parquet")
    show(table)


def _agree(found: Proposal, *, yes: bool, quiet: bool) -> None:
    """Show which column is which, and ask, where there is someone to ask."""
    if not quiet:
        show(_columns(found))
    if yes or found.settled:
        return
    if sys.stdin.isatty() and sys.stdout.isatty() and not quiet:
        if typer.confirm("Is this right?"):
            return
        raise InputError(f"nothing was written; say which is which: {found.command}")
    raise InputError(
        "these columns are guessed, and nobody is here to ask; look at them, then confirm with "
        f"--yes, or with: {found.command}"
    )


def _columns(found: Proposal) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=f"Columns, from {found.looked_at} runs",
                  title_justify="left")  # fmt: skip
    for heading in ("ours", "theirs", "from", "to", "why"):
        table.add_column(heading, overflow="fold",
                         justify="right" if heading in ("from", "to") else "left")  # fmt: skip
    for name, column in found.columns.by_name.items():
        known = column.low == column.low
        ends = [f"{value:.4g}" if known else "" for value in (column.low, column.high)]
        why = "; ".join([column.why, *column.doubts])
        table.add_row(name, column.theirs, *ends, why)
    if found.counted:
        table.add_row("N", "", "", "", "counted from each run's configuration")
    return table


def _tell(made: Imported, out: Path, written: tuple[Path, Path], as_json: bool) -> None:
    following = f"scaling fit {out}"
    if (made.df["flag"] != "").any():
        following += " --where \"flag != 'outlier'\""
    if as_json:
        data: dict[str, Any] = made.account.to_dict()
        show_json(plain({"table": str(out), "account": str(written[0]), **data, "next": following}))
        return
    show(*made.account.lines())
    show(f"wrote {out}; its account: {written[1]}")
    show(f"next: {following}")
