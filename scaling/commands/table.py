"""The command `table`: what one does with run tables, and their schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands.options import ColumnsOption, JsonOption
from scaling.terminal import pairs, progress, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.interchange.stream import Copied

app = typer.Typer()
table_app = typer.Typer(
    help="Convert, check, join, filter and summarise run tables.", no_args_is_help=True
)
app.add_typer(table_app, name="table")

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Run table: .csv, .tsv, .parquet or .jsonl.")
]
OutputOption = Annotated[
    Path,
    typer.Option("--output", "-o", help="Table to write: .csv, .tsv, .parquet or .jsonl."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


@table_app.command()
def convert(
    file: FileArgument,
    output: OutputOption,
    columns: ColumnsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a table in another format, with the schema's types, units and version."""
    _copy(file, output, columns, None, force, as_json)


@table_app.command("filter")
def filter_rows(
    file: FileArgument,
    output: OutputOption,
    where: Annotated[str, typer.Option(help='Rows to keep: "N_total < 1e8 and seed == 0".')],
    columns: ColumnsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the rows of a table that satisfy an expression."""
    _copy(file, output, columns, where, force, as_json)


def _copy(
    file: Path, output: Path, columns: str | None, where: str | None, force: bool, as_json: bool
) -> None:
    from scaling.interchange.stream import Parts, copy, must_be_new

    must_be_new(output, (file,), force=force)
    source = Parts(file, pairs(columns, "--columns") if columns else {}, where)
    with progress(f"writing {output.name}") as tell:
        copied = copy(source, output, tell)
    if as_json:
        show_json(_copied(output, copied))
        return
    of = f" of {copied.read:,}" if where else ""
    show(f"{output}: {copied.written:,}{of} rows, {copied.columns} columns{_version(output)}")


def _copied(output: Path, copied: Copied) -> dict[str, object]:
    return {
        "output": str(output),
        "rows_read": copied.read,
        "rows_written": copied.written,
        "columns": copied.columns,
    }


def _version(output: Path) -> str:
    from scaling.schema import VERSION

    return f", schema version {VERSION}" if output.suffix == ".parquet" else ""


@table_app.command("schema")
def show_schema(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON Schema of a row.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/run-table.md.")
    ] = False,
) -> None:
    """Show every column of a run table: type, unit, range, meaning."""
    from scaling import schema
    from scaling.interchange.schema_page import page

    if as_json:
        show_json(schema.json_schema())
    elif markdown:
        print(page(), end="")
    else:
        show(
            _columns(),
            f"schema version {schema.VERSION}; most laws need {', '.join(schema.NEEDED)}; columns "
            "that are not listed pass through",
        )


def _columns() -> Table:
    from rich import box
    from rich.table import Table

    from scaling import schema

    out = Table(box=box.SIMPLE_HEAD)
    for name in ("column", "type", "unit", "values", "meaning"):
        out.add_column(name, overflow="fold", no_wrap=name in ("column", "type"))
    for one in schema.COLUMNS:
        out.add_row(one.name, one.type, one.unit, one.range, one.about)
    return out
