"""`scaling doctor`: what it finds here, and what it says where something is amiss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scaling import devices, doctor
from scaling.cli import app
from scaling.sweep.planning import capacity

ROOT = Path(__file__).resolve().parents[1]


def found(about: str) -> doctor.Finding:
    return {finding.about: finding for finding in doctor.examine(devices=False)}[about]


def test_this_machine_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ASK", 'print(\'[["gpu", "NVIDIA H200", 1.4e11]]\')')
    monkeypatch.setenv("PATH", "/nowhere")
    done = CliRunner().invoke(app, ["doctor", "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert told["fail"] == 0
    by_name = {finding["about"]: finding for finding in told["findings"]}
    assert by_name["python"]["level"] == "ok"
    assert "numpy 2" in by_name["libraries"]["told"]
    assert by_name["devices"]["told"] == "1 x NVIDIA H200 (gpu, 140 GB each)"
    assert by_name["slurm"]["level"] == "optional"
    assert len(told["findings"]) == sum(told[level] for level in ("ok", "optional", "warn", "fail"))


def test_every_extra_for_users_is_looked_at() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(doctor.EXTRAS) == set(project["optional-dependencies"]) - {"bench", "dev", "docs"}


def test_pythons_are_those_of_the_classifiers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = [c.rpartition(" ")[2] for c in project["classifiers"] if "Python :: 3." in c]
    first, last = doctor.PYTHONS
    assert told == [f"3.{minor}" for minor in range(first[1], last[1] + 1)]
    assert project["requires-python"] == f">=3.{first[1]}"


class TestPackages:
    @pytest.fixture(autouse=True)
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        has = {"scaling-laws": "0.1.0", "numpy": "2.0", "jax": "0.5.3", "s3fs": "2024.10.0"}

        def version(name: str) -> str:
            if name not in has:
                raise PackageNotFoundError(name)
            return has[name]

        needed = [
            "numpy>=2.0.0", "jax>=0.6; extra == 'train'", "flax>=0.10; extra == 'train'",
            's3fs>=2024.10; extra == "s3"', "ray>=2.40; extra == 'ray'",
        ]  # fmt: skip
        monkeypatch.setattr(doctor, "version", version)
        monkeypatch.setattr(doctor, "requires", lambda _: needed)
        return has

    def test_what_is_there_is_ok(self) -> None:
        assert found("libraries").told == "numpy 2.0"
        assert found("extra s3") == doctor.Finding("extra s3", "ok", "s3fs 2024.10.0")

    def test_what_is_not_there_is_named_with_its_line(self) -> None:
        ray = found("extra ray")
        assert ray.level == "optional"
        assert ray.do == "pip install 'scaling-laws[ray]'"

    def test_what_is_too_old_or_half_there_is_warned_of(self) -> None:
        train = found("extra train")
        assert train.level == "warn"
        assert train.told.startswith("jax 0.5.3 is older than 0.6, flax missing (")

    def test_a_library_that_is_missing_fails(self, installed: dict[str, str]) -> None:
        del installed["numpy"]
        assert found("libraries").level == "fail"
        assert found("libraries").told == "numpy missing"


@pytest.mark.parametrize(
    ("ask", "level", "told"),
    [
        ("import time; time.sleep(60)", "fail", "JAX named no device in 0.5 s"),
        (
            "raise RuntimeError('no backend')",
            "fail",
            "JAX does not start: RuntimeError: no backend",
        ),
        ("import os; os.abort()", "fail", "JAX does not start: exit code -6"),
        ('print(\'[["cpu", "cpu", null]]\')', "ok", "1 x cpu"),
    ],
)
def test_devices(ask: str, level: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ASK", ask)
    monkeypatch.setattr(doctor, "PATIENCE", 0.5 if "sleep" in ask else 30.0)
    finding = doctor._jax_devices()
    assert (finding.level, finding.told) == (level, told)
    assert bool(finding.do) == (level == "fail")


def test_a_failure_is_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        doctor.Finding("python", "ok", "3.12"),
        doctor.Finding("cache", "fail", "[/x]: full", "free some"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[1].split(maxsplit=2) == ["fail", "cache", "[/x]: full"]
    assert lines[2].strip() == "-> free some"
    assert lines[3].startswith("1 ok, 0 to look at, 1 failing")


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "not" / "yet"))
    assert found("cache").level in ("ok", "warn")
    assert not (tmp_path / "not").exists()
    usage = type("", (), {"free": 1e8})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert found("cache").level == "fail"
    assert "$SCALING_CACHE" in found("cache").do

    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    assert "not writable: Permission denied" in found("cache").told
    assert found("this folder").level == "warn"


def test_a_control_group_that_grants_less_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "cores", lambda: list(range(8)))
    monkeypatch.setattr(devices, "granted_cores", lambda: 2.5)
    assert found("cores").level == "warn"
    assert found("cores").do.endswith("give --workers 2")


def test_where_slurm_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, does in (("sbatch", "exit 0"), ("scontrol", "echo 'no controller' >&2; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert found("slurm").level == "warn"
    assert found("slurm").told == "no controller"


class TestOtherSystems:
    """What Linux has and macOS lacks is gone: its fallback answers."""

    def test_without_affinity_and_proc(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: 3)
        assert devices.cores() == [0, 1, 2]
        real = Path.read_text

        def no_proc(self: Path, *args: Any, **kwargs: Any) -> str:
            if self.is_relative_to("/proc") or self.is_relative_to("/sys"):
                raise FileNotFoundError(2, "No such file or directory", str(self))
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Path, "read_text", no_proc)
        assert devices.granted_cores() is None
        assert found("cores").told == "3 of 3 usable"
        assert found("memory").told.endswith("GB for this process")

    def test_without_names_of_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(_: str) -> int:
            raise ValueError("unrecognized configuration name")

        monkeypatch.setattr(os, "sysconf", unknown)
        assert capacity.host_memory() is None
        assert found("memory").level == "ok"


def test_quotas_of_control_groups(tmp_path: Path) -> None:
    path = Path("/proc/self/cgroup")
    own = [line for line in path.read_text().splitlines() if line.startswith("0::/")]
    if not own:
        pytest.skip("no control group of version 2 here: run this on a newer Linux")
    group = tmp_path / own[0].removeprefix("0::/")
    group.mkdir(parents=True, exist_ok=True)
    assert devices.granted_cores(tmp_path) is None
    (group / "cpu.max").write_text("max 100000\n")
    assert devices.granted_cores(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert devices.granted_cores(tmp_path) == 1.5


def test_it_imports_no_jax() -> None:
    code = (
        "import sys; from scaling.doctor import examine; list(examine(devices=False)); "
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
