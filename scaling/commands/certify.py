"""The command certify: published fits, and NIST's problems. `scaling.cli` takes it in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.terminal import show, show_json

if TYPE_CHECKING:
    from scaling.certify.cases import Outcome
    from scaling.certify.nist import Solved

app = typer.Typer()


@app.command()
def certify(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the published tables, normalised or as released; without it they are "
            "downloaded from their own repositories and checked.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Cases whose name, paper or data match: muennighoff, gadre*.")
    ] = None,
    nist: Annotated[
        bool, typer.Option("--nist", help="NIST's nonlinear regression problems instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/certified.md.")
    ] = False,
) -> None:
    """Refit published scaling laws and say how far their digits can be trusted.

    Ends with 1 where a result is not what it was certified to be.
    """
    from scaling.certify import report

    if nist:
        solved = _solve_all()
        if as_json:
            show_json([report.nist_dict(item) for item in solved])
        else:
            show(report.nist_table(solved))
        return
    outcomes = _certify(only, data)
    if markdown:
        print(report.page(outcomes, _solve_all()), end="")
    elif as_json:
        show_json([report.to_dict(item) for item in outcomes])
    else:
        show(report.table(outcomes), report.summary(outcomes))
    if not all(getattr(item, "holds", True) for item in outcomes):
        raise typer.Exit(1)


def _certify(only: str | None, data: Path | None) -> list[Outcome]:
    from rich.console import Console
    from rich.progress import track

    from scaling.certify import choose, run

    cases = choose(only)
    return list(
        track(
            run(cases, data),
            "certifying",
            total=len(cases),
            console=Console(stderr=True),
            transient=True,
        )
    )


def _solve_all() -> list[Solved]:
    from scaling.certify.nist import solve_all

    return solve_all()
