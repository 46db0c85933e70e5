"""What the site has beyond docs/*.md: the command line's reference, made from the commands; the
changelog and how to contribute; and the files that pages show from elsewhere in the repository.

MkDocs calls these functions while it builds (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

import html
import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from typer.main import get_group

from scaling.cli import app
from scaling.commands.listing import JOBS

ROOT = Path(__file__).resolve().parents[2]
# Pages whose text lies at the root of the repository.
ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)")
MODULE = re.compile(r"^::: (scaling\.\w+)$", re.MULTILINE)
INSIDE = re.compile(r"\]\(docs/")

HEAD = """# Commands

Every command and option, as `scaling COMMAND --help` tells them. In all of them: bad input is one
line on stderr and exit code 2; `--json` prints the same facts as JSON.

"""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and files that are not in docs/."""
    files.append(File.generated(config, "cli.md", content=commands_page()))
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        text = INSIDE.sub("](", (ROOT / name).read_text(encoding="utf-8"))
        files.append(File.generated(config, ROOT_PAGES[name], content=text))
    for page in [file for file in files if file.src_uri.endswith(".md")]:
        for path in OUTSIDE.findall(page.content_string):
            shown = path not in ROOT_PAGES and (ROOT / path).is_file()
            if shown and files.get_file_from_path(path) is None:
                files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links that leave docs/, as they stand in the site; the Python reference, whole."""
    if page.file.src_uri == "api.md":
        markdown = MODULE.sub(lambda m: m[0] + _hidden(m[1]), markdown)
    return OUTSIDE.sub(lambda m: f"]({ROOT_PAGES.get(m[1], m[1])}", markdown)


def _hidden(name: str) -> str:
    """Directives for what a reader of sources alone can't see of a module: functions that a module
    of their own name hides, as `scaling.plot.pairs` does."""
    module = import_module(name)
    parts = []
    for public in getattr(module, "__all__", ()):
        found = getattr(module, public)
        if callable(found) and find_spec(f"{name}.{public}") is not None:
            where = f"{found.__module__}.{found.__qualname__}"
            parts.append(f"\n\n::: {where}\n    options:\n      heading: {name}.{public}\n")
            parts.append(f"      toc_label: {public}\n      heading_level: 4\n")
    return "".join(parts)


def commands_page() -> str:
    """The text of cli.md: the commands, by job and in the order of `scaling --help`."""
    group = get_group(app)
    context = group.make_context("scaling", [], resilient_parsing=True)
    parts = [HEAD]
    for job, commands in JOBS.items():
        parts.append(f"## {job}\n\n")
        for name in commands:
            parts += _command(f"scaling {name}", group.get_command(context, name), 3)
    return "".join(parts)


def _command(path: str, command: Any, level: int) -> list[str]:
    """A command's section; those of its own commands follow."""
    context = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    about = inspect.cleandoc(command.help or "")
    parts = [f"{'#' * level} {path}\n\n{about}\n\n```text\n{usage}\n```\n\n"]
    told = [param.get_help_record(context) for param in command.params if param.name != "help"]
    if rows := [record for record in told if record is not None]:
        parts.append("| option | what it is |\n|---|---|\n")
        parts += [f"| `{_cell(names)}` | {_cell(html.escape(what))} |\n" for names, what in rows]
        parts.append("\n")
    for name, below in getattr(command, "commands", {}).items():
        parts += _command(f"{path} {name}", below, level + 1)
    return parts


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
