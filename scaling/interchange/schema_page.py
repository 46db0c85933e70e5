"""The page docs/run-table.md, made from the schema; a test holds the page against it."""

from __future__ import annotations

from collections.abc import Iterator

from scaling import migrations, schema
from scaling.formats import VERSION_KEY


def page() -> str:
    """All of the page, as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The run table"
    yield ""
    yield (
        "Written by `scaling table schema --markdown`; a test compares it with "
        "`scaling/schema.py`, where every column is declared."
    )
    yield ""
    yield (
        "One row is one (run, tokens) point. Most laws need the columns "
        f"{', '.join(f'`{name}`' for name in schema.NEEDED[:-1])} and `{schema.NEEDED[-1]}` only; "
        "others are used where they are there, and columns that are not listed pass through. Every "
        "value may be missing. Times are not in the table (it is bit-for-bit reproducible); they "
        "are in the records of a study."
    )
    yield ""
    yield "| column | type | unit | values | meaning |"
    yield "|---|---|---|---|---|"
    for column in schema.COLUMNS:
        yield (
            f"| `{column.name}` | {column.type} | {column.unit} | {column.range} | {column.about} |"
        )
    yield ""
    yield (
        "A unit of 1 is a pure number. In a table that states `D_kind` and `L_kind`, the unit of D "
        "and of the loss is what they say."
    )
    yield ""
    yield "## Schema version"
    yield ""
    yield (
        f"This is version {schema.VERSION}. Parquet files state theirs in the file's metadata, "
        f"under `{VERSION_KEY.decode()}`; each column known here carries its `unit` and "
        "`description` in its own. A table of another version is brought to this one, or refused "
        "with both versions named:"
    )
    yield ""
    yield "| version | what is done |"
    yield "|---|---|"
    for version, rule in sorted(migrations.RULES.items()):
        yield f"| {version} | {rule.about} |"
    yield f"| {schema.VERSION} | this one |"
    yield "| newer, or none that is known | refused |"
    yield ""
    yield (
        "`scaling table schema --json` prints the JSON Schema (draft 2020-12) of a row, as a line "
        "of a JSONL table has it. How tables are converted, checked, joined and summarised, and "
        "read by DuckDB and polars: [tables.md](tables.md)."
    )
