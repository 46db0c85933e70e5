"""Links of README, CONTRIBUTING and CHANGELOG, which no site's build looks at."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from batteries.documents import ROOT

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for path, anchor in LINK.findall(text):
        target = ROOT / path if path else ROOT / name
        assert target.exists(), f"{name}: {path}"
        assert not anchor or anchor in anchors(target), f"{name}: {path}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site name them."""
    headings = re.findall(r"^#+ +(.+?) *$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {slug(re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", one)) for one in headings}


def slug(heading: str) -> str:
    plain = unicodedata.normalize("NFKD", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
