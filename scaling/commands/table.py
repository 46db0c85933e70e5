"""The command `table`: what one does with run tables, and their schema."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from scaling.commands.options import ColumnsOption, JsonOption
from scaling.errors import InputError
from scaling.terminal import pairs, progress, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.interchange.check import Checked
    from scaling.interchange.join import How
    from scaling.interchange.stream import Copied

_SHOWN = 8  # values of a column, the commonest first

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


@table_app.command()
def check(
    file: FileArgument,
    columns: ColumnsOption = None,
    needs: Annotated[
        str, typer.Option(metavar="A,B,...", help="Columns that every row must have.")
    ] = "N,D,loss",
    as_json: JsonOption = False,
) -> None:
    """Hold a table against the schema: every problem at once, with its rows.

    Ends with 2 where there are errors; warnings leave it at 0.
    """
    from scaling.interchange.check import check as check_file

    found = check_file(
        file,
        pairs(columns, "--columns") if columns else None,
        [name.strip() for name in needs.split(",") if name.strip()],
    )
    if as_json:
        show_json(asdict(found))
    else:
        show(*map(str, found.problems), *_verdict(found))
    if found.errors:
        raise typer.Exit(2)


def _verdict(found: Checked) -> Iterator[str]:
    told = (
        f"{number} {word}{'' if number == 1 else 's'}"
        for number, word in (
            (found.errors, "error"), (len(found.problems) - found.errors, "warning")
        )
    )  # fmt: skip
    yield (
        f"{found.source}: {found.rows:,} rows, {found.columns} columns, schema version "
        f"{found.version}: {', '.join(told)}"
    )
    if found.compute is not None:
        low, median, high = found.compute
        yield f"C / 6ND: {low:.3g} to {high:.3g}, median {median:.3g}"
    if not found.errors:
        yield f"next: scaling table summarise {shlex.quote(found.source)}"


@table_app.command()
def join(
    first: Annotated[Path, typer.Argument(help="Table whose rows are kept in their order.")],
    second: Annotated[Path, typer.Argument(help="Table whose columns are set beside them.")],
    output: OutputOption,
    on: Annotated[
        str, typer.Option(metavar="A,B,...", help="Columns that say which rows belong together.")
    ] = "run",
    how: Annotated[
        str, typer.Option(help="inner: rows that match; left: all of the first; outer: all.")
    ] = "inner",
    suffix: Annotated[
        str, typer.Option(help="Ending of the second's columns where both have one and differ.")
    ] = "",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Set the columns of one table beside the rows of another: by run, or by other columns."""
    from typing import get_args

    from scaling.interchange.join import How, account
    from scaling.interchange.join import join as join_tables
    from scaling.interchange.stream import must_be_new
    from scaling.table import read_table, write_table

    if how not in get_args(How):
        raise InputError(f"--how {how}: valid are {', '.join(get_args(How))}")
    must_be_new(output, (first, second), force=force)
    names = [name.strip() for name in on.split(",") if name.strip()]
    joined = join_tables(
        read_table(first), read_table(second), names, how=cast("How", how), suffix=suffix
    )
    write_table(joined.table, output)
    if as_json:
        show_json(
            {
                "output": str(output),
                "rows": len(joined.table),
                "columns": list(map(str, joined.table.columns)),
                "matched": joined.matched,
                "first_only": joined.first_only,
                "second_only": joined.second_only,
            }
        )
        return
    show("; ".join(account(joined)))
    rows, width = joined.table.shape
    show(f"{output}: {rows:,} rows, {width} columns{_version(output)}")


@table_app.command()
def summarise(
    file: FileArgument, columns: ColumnsOption = None, as_json: JsonOption = False
) -> None:
    """Say what a table holds: runs, ranges, seeds, families, budgets, what is missing."""
    from scaling.commands.options import read
    from scaling.interchange.summary import summary

    facts = summary(read(file, columns))
    if as_json:
        show_json(facts)
        return
    runs = "" if facts["runs"] is None else f", {facts['runs']:,} runs"
    kinds = ", ".join(f"{name} {kind}" for name, kind in facts["conventions"].items())
    show(f"{facts['source']}: {facts['rows']:,} rows{runs}", kinds, _ranges(facts))
    show(*_words(facts))


def _ranges(facts: dict[str, Any]) -> Table:
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD)
    for name in ("", "smallest", "median", "largest", "distinct"):
        out.add_column(name, justify="right" if name else "left")
    ranges = facts["ranges"]
    for name, found in {**ranges, "D / N": facts["tokens_per_param"]}.items():
        if found and found["values"]:
            ends = (found[key] for key in ("smallest", "median", "largest"))
            out.add_row(name, *(f"{end:.4g}" for end in ends), f"{found['values']:,}")
    return out


def _words(facts: dict[str, Any]) -> Iterator[str]:
    for name, counts in facts["counts"].items():
        first = [f"{value} ({number:,})" for value, number in list(counts.items())[:_SHOWN]]
        more = f", and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        yield f"{name}: {', '.join(first)}{more}"
    if facts["repeats"] is not None:
        yield f"places of N and D with several seeds: {facts['repeats']:,}"
    if budgets := facts["budgets"]:
        sizes = [budget["sizes"] for budget in budgets]
        yield (
            f"isoFLOP budgets: {len(budgets)}, C {budgets[0]['C']:.3g} to {budgets[-1]['C']:.3g}, "
            f"of {min(sizes)} to {max(sizes)} sizes"
        )
    else:
        yield "isoFLOP budgets: none that the rows are laid out in"
    missing = [f"{name} ({number:,})" for name, number in facts["missing"].items()]
    yield f"missing: {', '.join(missing) or 'nothing'}"
    if facts["other_columns"]:
        yield f"other columns: {', '.join(facts['other_columns'])}"


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
