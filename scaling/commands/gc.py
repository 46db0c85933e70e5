"""The command `gc`: clears a study's folder of what it can do without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands.options import FolderArgument, JsonOption
from scaling.terminal import show_json

if TYPE_CHECKING:
    from scaling.sweep.storing.gc import Garbage

app = typer.Typer()


@app.command("gc")
def gc_command(
    folder: FolderArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
    ] = False,
    keep: Annotated[
        str,
        typer.Option(
            "--keep",
            help="Checkpoints that stay: unfinished (of trunks with cells left to train) or none.",
        ),
    ] = "unfinished",
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="DAYS", min=0, help="Only what is older.")
    ] = 0.0,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Remove what lies in quarantine, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove checkpoints by rule, and what the dead left: temporaries, claims.

    Records are never touched, nor anything of a trunk that somebody is at work on.
    """
    from scaling.sweep.storing.gc import collect, garbage

    found = garbage(folder, keep=keep, older_than_days=older_than, quarantined=quarantine)
    gone = found if dry_run else collect(folder, found)
    if as_json:
        show_json({"removed": not dry_run, "items": [item.to_dict() for item in gone]})
        return
    for item in gone:
        print(f"{item.kind}  {item.path}  {item.bytes:,} bytes: {item.why}")
    verb = "would go" if dry_run else "removed"
    print(f"{len(gone)} items {verb}, {_megabytes(gone):,.1f} MB")


def _megabytes(items: list[Garbage]) -> float:
    return sum(item.bytes for item in items) / 1e6
