"""docs/gallery.md and its thumbnails, from the figures' registry: every figure by its own command.

    python docs/gallery.py            # the page and all thumbnails
    python docs/gallery.py depth cost # the page and these

Run it at the root of the repository; tests/plot/test_gallery.py says when that is due.
"""

from __future__ import annotations

import io
import shlex
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from PIL import Image

from scaling import cli
from scaling.plot import registry
from scaling.plot.entry import TAKES, Entry

DOCS = Path(__file__).parent
PAGE, FOLDER = DOCS / "gallery.md", DOCS / "gallery"
PIXELS = 240_000  # of a thumbnail
COLOURS = 32  # of its palette: half the bytes of a true-colour image

HEAD = """# Figures

<!-- Made by docs/gallery.py from the registry of figures; change that, not this. -->

`scaling plot` lists every figure, `scaling plot FIGURE INPUT -o FILE` draws one (`.svg`, `.pdf` or
`.png`; several with several `-o`). Where an INPUT is a run table, a study's folder will do, and
where it is a fit, either of them: then the law of `--law` is fitted first, as `scaling fit` would.
`--width 3.5` makes a figure for one column of a paper: panels stand below each other, text keeps
its size.
All are of one style: intervals are 90 %; a law is solid where it was fitted and dashed where it
forecasts; groups differ by marker and by lightness, so that grey is enough.

| figure | input | what it shows |
|---|---|---|
"""


def command(entry: Entry) -> str:
    return f"scaling plot {entry.name} {entry.example} -o {entry.name}.svg"


def page() -> str:
    """The text of docs/gallery.md."""
    entries = registry.FIGURES.values()
    rows = [f"| [{e.name}](#{e.name}) | {TAKES[e.takes]} | {e.shows} |\n" for e in entries]
    parts = [
        f"\n## {e.name}\n\n{e.shows[0].upper()}{e.shows[1:]}.\n\n"
        f"![{e.name}: {e.shows}](gallery/{e.name}.png)\n\n{e.reading}\n\n"
        f"```sh\n{command(e)}\n```\n"
        for e in entries
    ]
    return "".join([HEAD, *rows, *parts])


def draw(entry: Entry) -> None:
    """The thumbnail of one figure, by the command that the page gives."""
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / f"{entry.name}.png"
        sys.argv = [*shlex.split(command(entry))[:-1], str(full)]
        with suppress(SystemExit):  # how a command ends; one that fails has drawn nothing
            cli.main()
        image = Image.open(full).convert("RGB")
    scale = (PIXELS / (image.width * image.height)) ** 0.5
    size = round(image.width * scale), round(image.height * scale)
    small = image.resize(size, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    (FOLDER / f"{entry.name}.png").write_bytes(out.getvalue())


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    for name in sys.argv[1:] or list(registry.FIGURES):
        draw(registry.get(name))


if __name__ == "__main__":
    main()
