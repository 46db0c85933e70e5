"""The command `status`: how the cells of a study fared. `scaling.cli` takes it in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scaling.cli_options import JsonOption
from scaling.terminal import show_json

app = typer.Typer()


@app.command("status")
def status_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A study's folder.")],
    as_json: JsonOption = False,
) -> None:
    """Say which cells are finished, which failed and why, and what was found in their runs."""
    from scaling.sweep.health import of_folder

    health = of_folder(folder)
    if as_json:
        show_json(health.to_dict())
        return
    print(health)
    for cell in health.ill:
        print(*_lines(cell), sep="\n")


def _lines(cell: dict[str, Any]) -> list[str]:
    from scaling.sweep.health import line

    size = f"N {cell['N']:,.0f}  D {cell['D']:,.0f}  seed {cell['seed']}"
    reason = f": {cell['reason']}" if cell["reason"] else ""
    done = [f"{cell[name]} {name.replace('_', ' ')}" for name in ("skipped_steps", "rewinds")
            if name in cell]  # fmt: skip
    survived = f" ({', '.join(done)})" if done else ""
    head = f"{cell['run']}  {cell['family']}  {size}  {cell['status']}{reason}{survived}"
    return [head, *(f"  {line(finding)}" for finding in cell["findings"])]
