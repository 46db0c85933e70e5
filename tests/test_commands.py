"""The commands of `scaling`: each is found by its name, and no file of commands is forgotten."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

from typer.main import get_group
from typer.testing import CliRunner

from scaling.cli import app
from scaling.commands.listing import COMMANDS

FOLDER = Path(import_module("scaling.commands").__file__ or "").parent


def test_every_command_of_every_file_is_listed() -> None:
    files = [p.stem for p in FOLDER.glob("*.py") if "\napp = typer.Typer()" in p.read_text()]
    known = {
        name: file
        for file in files
        for name in get_group(import_module(f"scaling.commands.{file}").app).commands
    }
    assert known == {name: listed.file for name, listed in COMMANDS.items()}
    told = CliRunner().invoke(app, ["--help"]).output
    assert [name for name in COMMANDS if name not in told] == []


def test_an_unknown_command_names_the_nearest_on_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scaling.cli", "forcast"], capture_output=True, text=True
    )
    assert done.returncode == 2
    first = next(iter(COMMANDS))
    assert done.stderr.startswith(
        f"scaling: no command 'forcast'; nearest: forecast; valid: {first}, "
    )
    assert done.stderr.count("\n") == 1
