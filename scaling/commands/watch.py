"""The command `watch`: a study as it runs, in the terminal. `scaling.cli` takes it in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands.options import FolderArgument
from scaling.errors import InputError
from scaling.terminal import console, plain

if TYPE_CHECKING:
    from scaling.watch.study import View, Watch

app = typer.Typer()

_TRIES = 10  # of looks at a store that does not answer, one after another


@app.command("watch")
def watch_command(
    folder: FolderArgument,
    every: Annotated[
        float,
        typer.Option("--every", min=0.1, metavar="SECONDS", help="Between looks, at least."),
    ] = 5.0,
    price: Annotated[
        float | None,
        typer.Option("--price", min=0, help="Of one device for an hour: tells the cost left."),
    ] = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="Print one plain view and end; so it is through a pipe, too."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON a look, until it is done.")
    ] = False,
) -> None:
    """Watch a study as it runs: cells, losses, time and cost left, and the law and forecast so far.

    Only reads, wherever the study lies, and ends by itself when the study is done. Looking takes
    2 % of one core at most, but for the first fit and the last: after a long look it rests longer.
    """
    from scaling.watch.study import Watch

    watch = Watch(folder, price)
    try:
        if as_json:
            _looks(watch, every, once, _print_json)
        elif once or not console().is_terminal:
            _print(watch.look())
        else:
            with _live() as show:
                _looks(watch, every, False, show)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _looks(watch: Watch, every: float, once: bool, show: Callable[[View], None]) -> None:
    """Look and show, until the study is done. A store that does not answer is asked again."""
    failed = 0
    while True:
        try:
            view = watch.look()
        except InputError as error:
            failed += 1
            if once or failed > _TRIES:
                raise
            typer.echo(f"scaling: {error}; looking again", err=True)
        else:
            failed = 0
            show(view)
            if once or view.state == "done":
                return
        time.sleep(max(every, watch.rest))


def _print_json(view: View) -> None:
    print(json.dumps(plain(view.to_dict()), allow_nan=False), flush=True)


def _print(view: View) -> None:
    from scaling.watch.screen import page

    out = console()
    out.print(page(view, out))


@contextmanager
def _live() -> Iterator[Callable[[View], None]]:
    from rich.live import Live

    from scaling.watch.screen import page

    out = console()
    with Live(console=out, auto_refresh=False) as live:
        yield lambda view: live.update(page(view, out), refresh=True)
