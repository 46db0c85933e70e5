"""Fenced blocks of documents, run: through the real command line in this process, or as Python; a
TOML block is read as a grid, or as parts of one."""

from __future__ import annotations

import shlex
import tomllib
from itertools import groupby
from pathlib import Path

from batteries.documents import PAGES, Block, blocks_of, command_lines
from batteries.prepared import GRID
from batteries.standins import standin
from typer.main import get_group
from typer.testing import CliRunner

from scaling.cli import app
from scaling.grid import load_grid, parse_grid

RUN = ("sh", "console", "python", "toml")
BLOCKS = [b for page in PAGES for b in blocks_of(page) if b.language in RUN]
# A page is read from its top, so its later blocks may use what its earlier ones made; these are
# long, and looked up by section.
BY_SECTION = {"README.md", "gallery.md"}
UNITS = [
    list(same)
    for _, same in groupby(BLOCKS, lambda b: (b.page, b.section * (b.page.name in BY_SECTION)))
]
DRAWS = 100  # of what draws: the documents' own thousands show the same and take longer
# What ran and wrote nothing that another command reads: the same line on another page says
# nothing new.
ENDS = {".html", ".svg", ".png", ".pdf", ".md"}
DONE: set[tuple[str, ...]] = set()
COMMANDS = [c for block in BLOCKS if block.language in RUN[:2] for c in command_lines(block)]


def run_unit(unit: list[Block]) -> None:
    """The blocks of a unit, in order, in the folder that this process is in."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in unit:
        if block.title is not None:
            compile(block.text, block.title, "exec")  # a file: test_extending.py loads it
        elif block.language == "python":
            exec(compile(block.text, block.where, "exec"), names)
        elif block.language == "toml":
            check_toml(block.text)
        else:
            for command in command_lines(block):
                run(command, block.where)


def run(command: str, where: str) -> None:
    """One command line, or its stand-in, through the real command line in this process."""
    line = " ".join(shlex.split(command))
    words = shlex.split(command)
    other = standin(line)
    if words[0] == "scaling" and len(words) > 1:
        draws = "draws" in parse(words[1:], where) and "--draws" not in words
        # Saved fits have theirs, and not every figure has any.
        if draws and words[1] != "plot" and not any(word.endswith(".json") for word in words):
            words += ["--draws", str(DRAWS)]
    for grid in (word for word in words if word.endswith(".toml") and Path(word).exists()):
        load_grid(grid)
    if other is not None:
        instead = other.command(line)
        if instead is None:
            return
        words = shlex.split(instead)
    assert words[0] == "scaling", (
        f"{where}: nothing runs {command!r}: add a stand-in with its reason"
    )
    before = set(Path.cwd().rglob("*"))
    if tuple(words) in DONE:
        return
    done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0, f"{where}: {command}\n{done.output}"
    if all(path.suffix in ENDS for path in set(Path.cwd().rglob("*")) - before):
        DONE.add(tuple(words))


def parse(words: list[str], where: str) -> set[str]:
    """That a command and all its options exist, and that their values are of the right kind. Gives
    the names of all options that it takes."""
    group = get_group(app)
    name, command, rest = group.resolve_command(group.make_context("scaling", list(words)), words)
    assert command is not None, where
    return set(command.make_context(name, rest).params)


def check_toml(text: str) -> None:
    """A grid, or sections of one: what is not there is filled from a small grid. A project's own
    TOML is no grid."""
    given, small = tomllib.loads(text), tomllib.loads(GRID)
    if "project" in given:
        return
    rest = "".join(
        part
        for part in _sections(GRID)
        if not set(tomllib.loads(part)) & set(given) and set(tomllib.loads(part)) <= set(small)
    )
    parse_grid(f"{rest}{text}" if "name" not in given else f"{text}{rest}", "the block")


def _sections(text: str) -> list[str]:
    """A TOML text in its tables, those of one name together."""
    parts: dict[str, str] = {}
    at = ""
    for line in text.splitlines(keepends=True):
        at = line.strip("[]\n") if line.startswith("[") else at
        parts[at] = parts.get(at, "") + line
    return list(parts.values())


def name_of(unit: list[Block]) -> str:
    return unit[0].where.removeprefix("docs/")
