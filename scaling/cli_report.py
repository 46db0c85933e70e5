"""The command `report`: one page of a study. `scaling.cli` takes it in."""

from __future__ import annotations

import typer

from scaling.cli_options import FolderArgument
from scaling.terminal import console

app = typer.Typer()


@app.command("report")
def report_command(folder: FolderArgument) -> None:
    """Write one self-contained HTML page of a study."""
    tell_of_report(folder)


def tell_of_report(folder: str) -> None:
    """Write the page, and say where it is."""
    from scaling.report import report

    console().print(f"report: {report(folder)}", soft_wrap=True)
