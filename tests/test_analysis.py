"""Every study of analysis/ runs as it stands, on the tables that lie in the repository.

A study is a py:percent document that reads runs/, prints a claim ("Claim: ...", with a number and
its interval), and saves its figures beside the runs, or in the folder that FIGURES names.
DRAWS makes those that draw much do with less. docs/analysis.py makes a page of each.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
STUDIES = sorted((ROOT / "analysis").glob("*.py"))
LINES = 150  # a study is read in one go
DRAWS = "10"
# A number, and an interval as words or in brackets.
INTERVAL = re.compile(r"\d.*(\[[^\]]*, [^\]]*\d[^\]]*\]|interval .* to )")


def _pages() -> ModuleType:
    """docs/analysis.py, which is no module of the package."""
    spec = importlib.util.spec_from_file_location("analysis_pages", ROOT / "docs" / "analysis.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PAGES = _pages()


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_study_runs_headless(study: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(study)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FIGURES": str(tmp_path), "DRAWS": DRAWS},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    claims = PAGES.claims(ran.stdout)
    assert claims
    for claim in claims:
        assert INTERVAL.search(claim), claim
    assert list(tmp_path.iterdir())
    if "DRAWS" not in study.read_text(encoding="utf-8"):
        told = PAGES.claims(PAGES.place(study).read_text(encoding="utf-8"))
        assert told == claims, f"its page says otherwise: python docs/analysis.py {study.stem}"


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_study_is_a_short_document(study: Path) -> None:
    text = study.read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]")
    assert len(text.splitlines()) <= LINES


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_study_has_a_page_of_its_words_code_and_figures(study: Path) -> None:
    page = PAGES.place(study).read_text(encoding="utf-8")
    rest = page
    for cell in PAGES.cells(study):
        _, found, rest = rest.partition(cell.text)
        assert found, f"python docs/analysis.py {study.stem}\n{cell.text}"
    figures = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert figures
    assert all((ROOT / "docs" / figure).is_file() for figure in figures)


def test_the_index_of_studies_says_what_their_pages_claim() -> None:
    index = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
    assert index == PAGES.index(), "python docs/analysis.py"


def test_the_certified_fits_of_the_study_are_those_of_the_certified_page() -> None:
    stored = json.loads((ROOT / "runs" / "certified" / "fits.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "certified.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^## (\S+): (A-?|B|C|D)$", page, re.MULTILINE))
    assert {case["case"]: case["grade"] for case in stored} == told
    for case in stored:
        for name, digits in case["digits"].items():
            assert f"| {name} | {case['published'][name]} |" in page
            assert f"| {digits:.1f} |" in page
