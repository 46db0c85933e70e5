"""docs/gallery.md shows every figure of the registry, as docs/gallery.py makes it."""

from __future__ import annotations

import runpy
from pathlib import Path

from scaling.plot import registry

DOCS = Path(__file__).resolve().parents[2] / "docs"
DUE = "run python docs/gallery.py"


def test_the_gallery_is_up_to_date() -> None:
    made = runpy.run_path(str(DOCS / "gallery.py"))["page"]()
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == made, DUE
    thumbnails = {path.stem: path.stat().st_size for path in (DOCS / "gallery").iterdir()}
    assert set(thumbnails) == set(registry.FIGURES), DUE
    assert max(thumbnails.values()) <= 40_000
