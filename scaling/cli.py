"""The command `scaling`: parses, calls one public function, prints.

A command's file is imported when it is asked for, and heavy imports happen inside the commands: so
`scaling --help` and the commands that need little answer at once.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from scaling.errors import InputError

# Of each command the file in scaling/commands, in the order that --help lists them.
COMMANDS = {
    "fit": "fit",
    "forecast": "forecast",
    "extrapolate": "extrapolate",
    "landscape": "landscape",
    "laws": "laws",
    "models": "models",
    "certify": "certify",
    "methods": "methods",
    "compare": "compare",
    "coverage": "coverage",
    "crossing": "crossing",
    "design": "design",
    "downstream": "downstream",
    "epochs": "epochs",
    "plan": "plan",
    "plot": "plot",
    "rates": "rates",
    "rollout": "rollout",
    "status": "status",
    "table": "table",
    "watch": "watch",
    "vocabulary": "vocabulary",
    "gc": "gc",
    "run": "study",
    "study": "study",
    "proof": "study",
    "report": "report",
}


class Commands(TyperGroup):
    """The commands, each found when it is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            near = get_close_matches(cmd_name, COMMANDS, 2, 0.6)
            hint = f"nearest: {', '.join(near)}; " if near else ""
            raise InputError(f"no command {cmd_name!r}; {hint}valid: {', '.join(COMMANDS)}")
        module = import_module(f"scaling.commands.{COMMANDS[cmd_name]}")
        return get_group(module.app).commands[cmd_name]


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def scaling() -> None:
    """Train size ladders, fit scaling laws, forecast compute budgets."""


def main() -> None:
    """Run the command line. Bad input ends in one line on stderr and exit code 2."""
    try:
        app()
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def _fail(message: str) -> None:
    print(f"scaling: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
