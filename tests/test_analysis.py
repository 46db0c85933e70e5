"""Every study of analysis/ runs as it stands, on the tables that lie in the repository.

A study is a py:percent document that reads runs/, prints a claim ("Claim: ...", with a number and
its interval), and saves its figures beside the runs, or in the folder that FIGURES names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STUDIES = sorted((ROOT / "analysis").glob("*.py"))
LINES = 150  # a study is read in one go


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_study_runs_headless(study: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(study)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FIGURES": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Claim: " in ran.stdout
    assert list(tmp_path.iterdir())


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_study_is_a_short_document(study: Path) -> None:
    text = study.read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]")
    assert len(text.splitlines()) <= LINES
