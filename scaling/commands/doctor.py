"""The command `doctor`: what this machine and installation can do. `scaling.cli` takes it in."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from scaling.commands.options import JsonOption
from scaling.terminal import console, show_json

if TYPE_CHECKING:
    from scaling.doctor import Finding

app = typer.Typer()

_STYLES = {"ok": "green", "optional": "dim", "warn": "yellow", "fail": "bold red"}


@app.command("doctor")
def doctor_command(as_json: JsonOption = False) -> None:
    """Check versions, extras, devices, cores, memory, folders and clusters; say what helps.

    Exit code 1 where something fails.
    """
    from scaling.doctor import examine

    found = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            _say(finding)
    count = {level: sum(f.level == level for f in found) for level in _STYLES}
    if as_json:
        show_json({"findings": [asdict(finding) for finding in found], **count})
    else:
        told = f"{count['ok']} ok, {count['warn']} to look at, {count['fail']} failing"
        console().print(f"{told}, {count['optional']} optional and not there")
    if count["fail"]:
        raise typer.Exit(1)


def _say(finding: Finding) -> None:
    from rich.text import Text

    line = Text.assemble(
        (f"{finding.level:8}", _STYLES[finding.level]), f"  {finding.about:17}  {finding.told}"
    )
    out = console()
    out.print(line, soft_wrap=True)
    if finding.do:
        out.print(f"{'':10}{'':17}  -> {finding.do}", soft_wrap=True, markup=False)
