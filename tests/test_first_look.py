"""What `scaling` says before any command: alone, with --help and --version, and to a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scaling.cli import app
from scaling.commands.listing import COMMANDS, JOBS, WORKED, overview

PYTHON = (sys.executable, "-m", "scaling")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PYTHON, *arguments], env=os.environ | environment, capture_output=True, text=True
    )


def test_alone_it_lists_the_commands_by_job_and_imports_no_library() -> None:
    code = (
        "import runpy, sys; sys.argv = ['scaling']\n"
        "runpy.run_module('scaling', run_name='__main__')\n"
        "print(sorted({'typer', 'rich', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == overview() + "\n[]\n"
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert all(f"\n{job}\n" in done.stdout for job in JOBS)
    assert all(line.splitlines()[0] in done.stdout for _, line in WORKED)
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for _, line in WORKED])
def test_worked_lines_run_as_they_stand(line: str, tmp_path: Path) -> None:
    command = tmp_path / "bin" / "scaling"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.join(PYTHON)} "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    if "data get" in line and "could not be had" in done.stderr:
        pytest.skip("the table's host is not reached: connect this machine")
    assert done.returncode == 0, done.stderr


def test_help_has_a_panel_for_each_job_and_imports_no_command() -> None:
    code = (
        "import sys; from scaling.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit as end: assert not end.code\n"
        "print([m for m in sys.modules if m.startswith('scaling.commands.') or m == 'numpy'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"─ {job} ─" in done.stdout for job in JOBS)
    assert done.stdout.endswith("['scaling.commands.listing']\n")


def test_version() -> None:
    assert run("--version").stdout == "scaling 0.1.0\n"


def test_words_that_no_command_takes_end_in_one_line() -> None:
    done = run("fit", "--lawz", "chinchilla")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("scaling: no such option: --lawz (")
    assert "usage: scaling fit [OPTIONS]" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("scaling fore", ["forecast"]),
        ("scaling --vers", ["--version"]),
        ("scaling fit --objec", ["--objective"]),
        ("scaling fit runs.csv --law chinchilla_", ["chinchilla_tied"]),
        ("scaling compare runs.csv --laws kaplan,hest", ["kaplan,hestness"]),
        ("scaling laws show besi", ["besiroglu2024"]),
        ("scaling models show re", ["resnet"]),
        ("scaling plan grid.toml --device H100", ["H100-SXM", "H100-PCIe"]),
        ("scaling nonsense --la", []),
    ],
)
def test_names_are_completed(typed: str, completed: list[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    asked = words | {"_SCALING_COMPLETE": "complete_bash"}
    done = CliRunner().invoke(app, [], env=asked, prog_name="scaling")
    assert done.output.split() == completed


def test_a_real_bash_completes_names_and_files(tmp_path: Path) -> None:
    # What the user's bash does at the key: the script as installed, the words, the function.
    script = run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert script.returncode == 0, script.stderr
    (tmp_path / "runs.csv").touch()
    command = tmp_path / "scaling"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(PYTHON)} "$@"\n')
    command.chmod(0o755)
    bash = f"""{script.stdout}
        press() {{
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _scaling_completion scaling
            # -o default: where the function finds nothing, bash takes files.
            [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "${{!#}}"))
            echo "${{COMPREPLY[@]}}"
        }}
        press scaling forecast besi
        press scaling fit ru
        complete -p scaling
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", bash],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "besiroglu2024",
        "runs.csv",
        "complete -o default -F _scaling_completion scaling",
    ]
