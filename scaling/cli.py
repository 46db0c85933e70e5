"""The command `scaling`: parses, calls one public function, prints.

A command's file is imported when it is asked for, and heavy imports happen inside the commands: so
`scaling --help` and the commands that need little answer at once.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from scaling.commands.listing import COMMANDS, JOBS, overview
from scaling.errors import InputError


class Commands(TyperGroup):
    """The commands, each found when it is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # a shell asks for completions: silence is the answer
                return None
            near = get_close_matches(cmd_name, COMMANDS, 2, 0.6)
            hint = f"nearest: {', '.join(near)}; " if near else ""
            raise InputError(
                f"no command {cmd_name!r}; {hint}valid: {', '.join(COMMANDS)}; `scaling` alone "
                "says what each is for"
            )
        module = import_module(f"scaling.commands.{COMMANDS[cmd_name].file}")
        return get_group(module.app).commands[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _listing(self).format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        ctx.command = _listing(self)
        return ctx.command.shell_complete(ctx, incomplete)


def _listing(group: TyperGroup) -> TyperGroup:
    """The same group, with what is listed of each command in its place: none is imported."""
    listed: Any = {
        name: TyperCommand(name, callback=None, short_help=told, rich_help_panel=job)
        for job, commands in JOBS.items()
        for name, (_, told) in commands.items()
    }
    return TyperGroup(name=group.name, commands=listed, params=group.params, help=group.help)


app = typer.Typer(cls=Commands, invoke_without_command=True, pretty_exceptions_enable=False)


@app.callback()
def scaling(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Train size ladders, fit scaling laws, forecast compute budgets."""
    if version:
        from importlib.metadata import version as installed

        print(f"scaling {installed('scaling-laws')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(overview())


def main() -> None:
    """Run the command line. Bad input ends in one line on stderr and exit code 2."""
    try:
        code = app(prog_name="scaling", standalone_mode=False)
    except InputError as error:
        _fail(str(error))
    except typer.TyperException as error:
        if not (told := error.format_message()):
            sys.exit(error.exit_code)  # a group without a command: its help is printed
        _fail(_misused(told, error), error.exit_code)
    except typer.Abort:
        _fail("stopped", 130)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _misused(told: str, error: typer.TyperException) -> str:
    """What is wrong with the words on the command line, and where one finds what is valid."""
    told = told[:1].lower() + told[1:].rstrip(".")
    if (context := getattr(error, "ctx", None)) is None:
        return told
    usage = context.get_usage().replace("Usage:", "usage:").strip()
    return f"{told}; {usage}; `{context.command_path} --help` explains it"


def _fail(message: str, code: int = 2) -> None:
    print(f"scaling: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
