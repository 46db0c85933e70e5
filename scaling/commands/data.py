"""The command `data`: published tables of runs by name. `scaling.cli` takes it in."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import JsonOption
from scaling.errors import InputError
from scaling.terminal import progress, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.published import Published

app = typer.Typer()
data_app = typer.Typer(help="Published tables of runs, by name.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@data_app.command("list")
def list_tables(as_json: JsonOption = False) -> None:
    """List the published tables: what each holds, its licence, its source, how it is had."""
    from scaling.published import TABLES

    if as_json:
        show_json([_facts(table) for table in TABLES.values()])
        return
    show(
        _listed(),
        "scaling data get NAME: one of them as a run table; where size is empty, from a folder "
        "alone (--from): its source has it in no plain table",
    )


@data_app.command()
def get(
    name: Annotated[str, typer.Argument(help="A table; `scaling data list` shows all.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Folder, or table to write: .csv, .tsv, .parquet, .jsonl."
        ),
    ] = Path(),
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Read the original or normalised file from this folder; nothing is downloaded.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Get a published table as a run table, once its checksum, licence and source were shown."""
    from scaling.interchange.stream import must_be_new
    from scaling.published import find, load, stated
    from scaling.table import TABLES, write_table

    table = find(name)
    path = output if output.suffix in TABLES else output / f"{table.name}.parquet"
    must_be_new(path, (), force=force)
    if not as_json:
        show(*_shown(table))
    if folder is None and table.originals:
        _must_agree(table, yes)
    with progress(f"downloading {table.name}") as tell:
        df = stated(table, load(table.name, folder, option="--from", tell=tell))
    write_table(df, path)
    command = table.command.replace("FILE", shlex.quote(str(path)))
    if as_json:
        show_json({**_facts(table), "output": str(path), "rows": len(df), "next": command})
        return
    show(f"{path}: {len(df):,} rows, {len(df.columns)} columns", f"next: {command}")


def _must_agree(table: Published, yes: bool) -> None:
    """Ask on a terminal; without one, --yes says so."""
    if yes:
        return
    what = f"{table.size:,} bytes from {table.home} (licence: {table.licence})"
    if not sys.stdin.isatty():
        raise InputError(
            f"{table.name}: would download {what}; say --yes, or name a folder with --from"
        )
    if not typer.confirm(f"download {what}?", err=True):
        raise typer.Exit(1)


def _facts(table: Published) -> dict[str, Any]:
    return {
        "name": table.name,
        "about": table.about,
        "source": table.home,
        "licence": table.licence,
        "bytes": table.size,
        "files": [{"url": one.url, "sha256": one.sha256} for one in table.originals],
        "conventions": dict(table.kinds),
    }


def _shown(table: Published) -> list[str]:
    lines = [f"{table.name}: {table.about}", f"source: {table.home}; licence: {table.licence}"]
    for one in table.originals:
        lines += [f"file: {one.url}", f"SHA-256: {one.sha256}; {one.size:,} bytes"]
    return lines


def _listed() -> Table:
    from rich import box
    from rich.table import Table

    from scaling.published import TABLES

    out = Table(box=box.SIMPLE_HEAD)
    for column in ("name", "bytes", "licence", "source", "what it holds"):
        out.add_column(
            column,
            justify="right" if column == "bytes" else "left",
            overflow="fold",
            no_wrap=column in ("name", "licence"),
        )
    for one in TABLES.values():
        size = "" if one.size is None else f"{one.size:,}"
        out.add_row(one.name, size, one.licence, one.home, one.about)
    return out
