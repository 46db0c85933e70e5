"""The site builds, its warnings being errors: broken links and anchors, among others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from batteries.documents import ROOT

from scaling.cli import COMMANDS

# What a page would fetch by itself; links that a reader follows are none.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]* src=\"?(https?:)?//|@import url\(.?https?:"
)
STYLES = re.compile(r"<link[^>]* rel=\"?(?:stylesheet|preconnect|preload)[^>]* href=\"?https?://")


def test_the_site_builds_whole_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    build(tmp_path)
    pages = {
        str(page.relative_to(tmp_path)): page.read_text("utf-8") for page in pages_of(tmp_path)
    }
    assert {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} <= set(pages)
    for name, text in pages.items():
        assert FETCHED.search(text) is None, name
        assert STYLES.search(text) is None, name
    commands = pages["cli.html"]
    assert [name for name in COMMANDS if f'id="scaling-{name}"' not in commands] == []
    assert "--compute NUMBER" in commands
    assert "[default: chinchilla]" in commands
    found = (tmp_path / "search" / "search_index.json").read_text("utf-8")
    assert "scaling.fit.fit" in found
    assert "batch_tokens" in found


def build(folder: Path) -> None:
    pytest.importorskip("mkdocs", reason="the site needs the extra docs: pip install '.[docs]'")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def pages_of(folder: Path) -> list[Path]:
    """The site's own pages: studies' reports, which lie beside them under `runs`, have tests of
    their own."""
    return [page for page in folder.rglob("*.html") if "runs" not in page.relative_to(folder).parts]
