"""The command `laws`: which there are, and what each of them says. `scaling.cli` takes it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands import completion
from scaling.terminal import show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.laws import Law, Published

app = typer.Typer()
laws_app = typer.Typer(help="The laws that --law knows.", invoke_without_command=True)
app.add_typer(laws_app, name="laws")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@laws_app.callback()
def list_laws(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the laws by family. `scaling laws show NAME` tells all about one of them."""
    if context.invoked_subcommand is not None:
        return
    from scaling import laws

    families = laws.families()
    if as_json:
        rows = [
            {
                "family": family,
                "name": law.name,
                "formula": law.formula,
                "variables": list(law.variables),
                "response": law.response,
                "reference": law.reference,
            }
            for family, members in families.items()
            for law in members
        ]
        show_json({"laws": rows, "published": {p.name: p.law for p in laws.published.values()}})
        return
    lines: list[tuple[str, ...]] = [
        (family, law.name, f"{law.response} = {law.formula}", ", ".join(law.variables),
         law.reference)
        for family, members in families.items()
        for law in members
    ]  # fmt: skip
    show(
        _table(("family", "law", "formula", "variables", "reference"), lines),
        f"published parameters: {', '.join(laws.published)}",
        "scaling laws show NAME: all about a law, or about published parameters",
    )


@laws_app.command("show")
def show_law(
    name: Annotated[
        str,
        typer.Argument(
            help="A law, or published parameters (hoffmann2022).",
            autocompletion=completion.laws_and_published,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Print a law's formula, symbols, bounds, linear parameters, published values and source."""
    from scaling import laws

    law, chosen = laws.find(name)
    values = [chosen] if chosen else [p for p in laws.published.values() if p.law == law.name]
    if as_json:
        show_json(_to_dict(law, values))
        return
    show(
        f"{law.name}: {law.response} = {law.formula}",
        f"source: {law.reference}",
        _symbols(law),
        f"linear given the others: {', '.join(law.linear) or 'none'}",
    )
    if law.exponents is not None:
        show("N_opt ~ C^a and D_opt ~ C^b under C = 6ND: a and b in closed form")
    if values:
        show(_values(law, values))
        for item in values:
            show(f"{item.name}: {item.reference}; read in: {item.read}; {item.note}".rstrip("; "))
    else:
        show("published values: none that were read")


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    """Text that folds rather than being cut; a family is named once."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    before = None
    for row in rows:
        table.add_row("" if row[0] == before else row[0], *row[1:])
        before = row[0]
    return table


def _symbols(law: Law) -> Table:
    from scaling.laws.symbols import meaning_of, range_of

    rows: list[tuple[str, ...]] = [
        ("variable", name, meaning_of(law, name), _range(*range_of(law, name)))
        for name in law.variables
    ]
    rows += [
        ("parameter", name, meaning_of(law, name), _range(kind.lower, kind.upper))
        for name, kind in law.params.items()
    ]
    if law.response != "loss":
        rows.append(("predicted", law.response, meaning_of(law, law.response), ""))
    return _table(("", "symbol", "meaning", "usual range, or bounds"), rows)


def _values(law: Law, values: list[Published]) -> Table:
    rows = [(item.name, *(f"{item.params[name]:.6g}" for name in law.params)) for item in values]
    return _table(("published", *law.params), rows)


def _range(low: float, high: float) -> str:
    return f"{low:g} to {high:g}"


def _to_dict(law: Law, values: list[Published]) -> dict[str, Any]:
    from dataclasses import asdict

    from scaling.laws.symbols import meaning_of, range_of

    return {
        "name": law.name,
        "formula": law.formula,
        "response": law.response,
        "reference": law.reference,
        "variables": {
            name: {"meaning": meaning_of(law, name), "range": list(range_of(law, name))}
            for name in law.variables
        },
        "params": {
            name: {
                "meaning": meaning_of(law, name),
                "bounds": [_end(kind.lower), _end(kind.upper)],
                "scale": kind.scale,
            }
            for name, kind in law.params.items()
        },
        "linear": list(law.linear),
        "published": [asdict(item) for item in values],
    }


def _end(bound: float) -> float | None:
    """A bound in JSON, which has no infinity."""
    from math import isfinite

    return bound if isfinite(bound) else None
