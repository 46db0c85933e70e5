"""README's commands, what CI runs, and what must never stand in a tracked file."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lines_of_readme() -> list[str]:
    """The lines that make a virtual environment: README's two commands."""
    return re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)


def test_readme_has_one_line_for_the_main_job_and_one_for_the_tests() -> None:
    main_job, tests = lines_of_readme()
    assert main_job.endswith("scaling study runs/text.toml")
    assert tests.endswith("/pytest -n 2")


@pytest.mark.parametrize("line", lines_of_readme())
def test_each_line_installs_extras_that_there_are(line: str) -> None:
    (extras,) = re.findall(r"pip install .*\[([\w,]+)\]", line)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_containers_install_what_readme_does_and_run_as_nobody_in_particular() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    installs = [line.partition("/source")[2].strip("'") for line in lines if "pip install" in line]
    (extras,) = re.findall(r"pip install .*(\[train\])", lines_of_readme()[0])
    assert installs == ["", extras]
    stages = "\n".join(lines).split("\nFROM ")[1:]
    assert [re.findall(r"^USER (\w+)", stage, re.MULTILINE)[-1] for stage in stages] == [
        "scaling",
        "scaling",
    ]
    base = re.findall(r"^FROM python:([\d.]+)-slim AS light$", "\n".join(lines), re.MULTILINE)
    assert f"Programming Language :: Python :: {base[0]}" in PROJECT["classifiers"]


def test_contributing_tells_the_same_line() -> None:
    assert lines_of_readme()[1] in (ROOT / "CONTRIBUTING.md").read_text().splitlines()


def test_ci_runs_readmes_line_literally(tmp_path: Path) -> None:
    # With a stand-in for what the line calls: it writes down that it was called, and how.
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci" / "run"
    script.write_text((ROOT / ".ci" / "run").read_text())
    (tmp_path / "README.md").write_text(README)
    stand_in = tmp_path / "bin" / "python3"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\necho "called python3 $*"; exit 7\n')
    stand_in.chmod(0o755)
    stand_in.with_name("apt-get").symlink_to("/bin/false")  # nothing is installed by a test
    done = subprocess.run(
        ["bash", script],
        env={"PATH": f"{stand_in.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    line = lines_of_readme()[1]
    assert f"+ {line}\n" in done.stdout
    assert "called python3 -m venv .venv\n" in done.stdout
    assert done.returncode == 7, "a failing line must fail CI"


def test_the_light_install_has_no_training_library() -> None:
    core = {re.split(r"[^\w-]", line)[0] for line in PROJECT["dependencies"]}
    assert not core & {"jax", "jaxlib", "flax", "optax", "torch", "tensorflow"}


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if told.returncode:
        pytest.skip("not a git checkout: clone the repository to check its tracked files")
    forbidden = re.compile(
        rb"(?<![\w$.~/-])/(?:home|Users|root|work)/\w|extra-index-url|files\.pythonhosted|://pypi\."
    )
    this = Path(__file__).relative_to(ROOT)
    for name in filter(None, told.stdout.split("\0")):
        path = ROOT / name
        if path == ROOT / this or not path.is_file():
            continue
        found = forbidden.search(path.read_bytes())
        assert not found, f"{name}: {found[0]!r}"


def test_no_lock_file() -> None:
    names = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt")
    assert not [name for name in names if (ROOT / name).exists()]
