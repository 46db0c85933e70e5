"""What the references are made from: every public name and every option says what it is."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from batteries.documents import ROOT
from typer.main import get_group

from scaling.cli import app
from scaling.commands.listing import COMMANDS

MODULES = re.findall(r"^::: (scaling\.\w+)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)


def public(module: ModuleType) -> dict[str, Any]:
    """The names that a module says are public, or else those that are its own."""
    names = getattr(module, "__all__", None)
    if names is None:
        own = vars(module).items()
        names = [n for n, v in own if getattr(v, "__module__", "") == module.__name__]
    told = {name: getattr(module, name) for name in names if not name.startswith("_")}
    return {
        name: what
        for name, what in told.items()
        if inspect.isroutine(what) or inspect.isclass(what)
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    module = import_module(name)
    assert module.__doc__
    silent = []
    for label, what in public(module).items():
        # A class without one of its own shows its base's, or a dataclass's made-up signature.
        text = what.__doc__ if inspect.isroutine(what) else vars(what).get("__doc__")
        if not text or text.startswith(f"{label}("):
            silent.append(label)
    assert silent == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_says_what_it_is(name: str) -> None:
    group = get_group(app)
    command = group.get_command(group.make_context("scaling", [], resilient_parsing=True), name)
    assert silent(f"scaling {name}", command) == []


def silent(path: str, command: Any) -> list[str]:
    """Commands without a word on what they do, and options without one on what they are."""
    found = [] if command.help else [path]
    found += [f"{path} {p.opts[0]}" for p in command.params if p.name != "help" and not p.help]
    for name, below in getattr(command, "commands", {}).items():
        found += silent(f"{path} {name}", below)
    return found
