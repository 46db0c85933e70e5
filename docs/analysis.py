"""docs/analysis.md and a page for each study of analysis/: its words, its code, what it printed and
the figures that it drew.

    python docs/analysis.py                # every study: some three minutes
    python docs/analysis.py depth landscape

Run it at the root of the repository, after a study or the runs that it reads have changed;
tests/test_analysis.py says when a page no longer is what its study says.
"""

from __future__ import annotations
import __future__

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaling import plot

ROOT = Path(__file__).resolve().parents[1]
STUDIES = sorted((ROOT / "analysis").glob("*.py"))
MARKDOWN = " [markdown]"
CLAIM = re.compile(r"^Claim: .*$", re.MULTILINE)
MADE = "<!-- Made by docs/analysis.py from analysis/{}.py; change that, not this. -->"

HEAD = f"""# Studies

{MADE.format("*")}

Short documents that run: each reads runs that lie in the repository (`runs/`), or published tables,
and ends in a figure and a claim with a number and its interval. `python analysis/NAME.py` prints
what its page shows; what trained the runs stands at the head of each grid, `runs/NAME.toml`.

"""


@dataclass(frozen=True)
class Cell:
    """A cell of a py:percent document: words (Markdown) or code."""

    words: bool
    text: str


def cells(study: Path) -> list[Cell]:
    """The cells of a study, in order."""
    found = []
    for part in re.split(r"^# %%", study.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        words = part.startswith(MARKDOWN)
        text = part.partition("\n")[2].strip("\n")
        if words:
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.split("\n"))
        found.append(Cell(words, text))
    return found


def run(study: Path) -> Iterator[tuple[Cell, str, list[Path]]]:
    """Each cell with what it printed and the figures that it saved."""
    names = {"__name__": "__main__", "__file__": str(study)}
    saved: list[Path] = []
    save = plot.save

    def saving(figure: object, target: Path) -> None:
        saved.append(Path(target))
        save(figure, target)

    plot.save = saving  # what a study takes from there
    try:
        for cell in cells(study):
            printed = io.StringIO()
            saved.clear()
            if not cell.words:
                flags = __future__.annotations.compiler_flag
                code = compile(cell.text, str(study), "exec", flags, dont_inherit=True)
                with contextlib.redirect_stdout(printed):
                    exec(code, names)
            yield cell, printed.getvalue(), list(saved)
    finally:
        plot.save = save


def page(study: Path) -> str:
    """The text of a study's page."""
    parts = [MADE.format(study.stem)]
    for cell, printed, figures in run(study):
        # `py`: a page's blocks belong together and are run as the study, not one by one
        parts.append(cell.text if cell.words else f"```py\n{cell.text}\n```")
        claims = CLAIM.findall(printed)
        if told := CLAIM.sub("", printed).strip("\n"):
            parts.append(f"```text\n{told}\n```")
        for figure in figures:
            path = os.path.relpath(figure, ROOT / "docs")
            parts.append(f"![{study.stem}: {figure.stem}]({path})")
        parts += [f"**{claim}**" for claim in claims]
    return "\n\n".join(parts) + "\n"


def claims(text: str) -> list[str]:
    """The claims of a page, or of what a study printed."""
    return re.findall(r"^\**(Claim: .*?)\**$", text, re.MULTILINE)


def index() -> str:
    """The text of docs/analysis.md, from the pages that are there."""
    parts = [HEAD]
    for study in STUDIES:
        there = place(study)
        title = cells(study)[0].text.partition("\n")[0].lstrip("# ")
        told = "\n\n".join(claims(there.read_text(encoding="utf-8")))
        parts.append(f"## [{title}]({there.name})\n\n{told}\n\n")
    return "".join(parts).rstrip("\n") + "\n"


def place(study: Path) -> Path:
    return ROOT / "docs" / f"analysis-{study.stem.replace('_', '-')}.md"


def main(chosen: list[str]) -> None:
    for study in STUDIES:
        if not chosen or study.stem in chosen:
            place(study).write_text(page(study), encoding="utf-8")
            print(place(study).relative_to(ROOT))
    (ROOT / "docs" / "analysis.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
