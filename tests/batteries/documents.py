"""Markdown documents as tests read them: pages, sections, fenced blocks, command lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))

FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,}) *(?P<language>[\w-]*)(?: title=\"(?P<title>[^\"]+)\")?"
)
# What stands before a comment: words, quoted strings; a # within a word begins none.
BEFORE_COMMENT = re.compile(r"""(?:"[^"]*"|'[^']*'|[^"'#]|(?<=\S)#)*""")
HEADING = re.compile(r"^#{1,3} +(.+?) *$")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it starts, what it says it is written in, its text; title: the file
    that it is, if it says so."""

    page: Path
    line: int
    section: str
    language: str
    text: str
    title: str | None = None

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of one page, in order. A fence that isn't closed is an error."""
    found = []
    section, opened, held = "", None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened, held = (number, fence), []
            elif heading := HEADING.match(line):
                section = heading[1]
        elif fence and fence["fence"] >= opened[1]["fence"] and not fence["language"]:
            text = "\n".join(x.removeprefix(opened[1]["indent"]) for x in held) + "\n"
            start, said = opened
            found.append(Block(page, start, section, said["language"], text, said["title"]))
            opened = None
        else:
            held.append(line)
    assert opened is None, f"{page}:{opened[0]}: this fence is never closed"
    return found


def command_lines(block: Block) -> list[str]:
    """The commands of a block: of `sh` all lines, of `console` those that begin with `$ `. Lines
    that end in a backslash are joined, comments are left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    bare = [match[0].strip() for line in lines if (match := BEFORE_COMMENT.match(line))]
    return [command for command in bare if command]
