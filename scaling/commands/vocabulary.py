"""The command `vocabulary`. `scaling.cli` takes it in."""

from __future__ import annotations

from typing import Annotated

import typer

from scaling.commands.options import JsonOption
from scaling.terminal import number, show, show_json

app = typer.Typer()


@app.command()
def vocabulary(
    params: Annotated[
        float,
        typer.Option(parser=number, metavar="NUMBER", help="Parameters outside the vocabulary."),
    ],
    compute: Annotated[
        float | None,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="Training FLOPs; by default those for which that size is optimal.",
        ),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="The model's width, to tell the vocabulary in words.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how large a vocabulary should be, by three published approaches side by side."""
    from scaling.forecast.further.vocabulary import vocabulary as best

    found = best(params, compute=compute, width=width)
    if as_json:
        show_json(found.to_dict())
    else:
        show(str(found))
