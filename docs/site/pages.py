"""What the site has beyond docs/*.md: the command line's reference, made from the commands; the
changelog and how to contribute; and the files that pages show from elsewhere in the repository.

MkDocs calls these functions while it builds (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

import html
import inspect
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from typer.main import get_group

from scaling.cli import COMMANDS, app

ROOT = Path(__file__).resolve().parents[2]
# Pages whose text lies at the root of the repository.
ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)")
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
    """Links that leave docs/, as they stand in the site."""
    return OUTSIDE.sub(lambda m: f"]({ROOT_PAGES.get(m[1], m[1])}", markdown)


def commands_page() -> str:
    """The text of cli.md: the commands, in the order of `scaling --help`."""
    group = get_group(app)
    context = group.make_context("scaling", [], resilient_parsing=True)
    parts = [HEAD]
    for name in COMMANDS:
        command = group.get_command(context, name)
        parts += _command(f"scaling {name}", command, 2)
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
