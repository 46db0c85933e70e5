"""What this machine and installation can do: one line a finding, with what to do about it.

>>> from scaling.doctor import examine
>>> [finding.level for finding in examine(devices=False)][:1]
['ok']
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from scaling import devices
from scaling.data.cache import cache_folder
from scaling.sweep.planning.capacity import host_memory

# optional: not there, and only needed for what the line says.
Level = Literal["ok", "optional", "warn", "fail"]

PACKAGE = "scaling-laws"
PYTHONS = ((3, 11), (3, 13))  # the first and the last that are tested: docs/first-minutes.md
PATIENCE = 60.0  # seconds for JAX to name its devices; a broken driver can hang
LITTLE_DISK, NO_DISK = 5e9, 2e8  # bytes free
LITTLE_MEMORY = 2e9
# What each extra is for, in the order of pyproject.toml; `dev` and `bench` are no user's.
EXTRAS = {
    "train": "training, and timing shapes here",
    "hub": "image data by name: Hugging Face data sets, WebDataset shards",
    "bayes": "scaling fit --kind posterior",
    "slurm": "--executor slurm",
    "ray": "--executor ray",
    "s3": "studies at s3://...",
    "gs": "studies at gs://...",
    "trackers": "--tracker tensorboard, wandb, mlflow, trackio",
    "pdf": "scaling report --format pdf",
    "excel": "scaling import of .xlsx",
    "kjv": 'data source "kjv"',
}
_ASK = (
    "import jax, json; print(json.dumps([[d.platform, d.device_kind, "
    "(d.memory_stats() or {}).get('bytes_limit')] for d in jax.devices()]))"
)


@dataclass(frozen=True)
class Finding:
    """about: what was looked at; told: what was found; do: what helps, where it is not well."""

    about: str
    level: Level
    told: str
    do: str = ""


def examine(*, devices: bool = True) -> Iterator[Finding]:
    """All findings, as they come. devices: ask JAX, too, which takes seconds."""
    yield _python()
    yield from _packages()
    if devices and find_spec("jax") is not None:
        yield _jax_devices()
    yield _cores()
    yield _memory()
    yield from _folders()
    yield from _clusters()
    yield Finding("reports", "ok", "pages are files: no browser, server or network is needed")


def _python() -> Finding:
    first, last = PYTHONS
    told = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    tested = f"{first[0]}.{first[1]} to {last[0]}.{last[1]}"
    if sys.version_info[:2] < first:
        return Finding("python", "fail", told, f"install Python {tested}")
    if sys.version_info[:2] > last:
        return Finding("python", "warn", told, f"newer than what is tested: {tested}")
    return Finding("python", "ok", told)


def _packages() -> Iterator[Finding]:
    """The package itself, what it needs, and its extras."""
    try:
        needed = requires(PACKAGE) or []
        yield Finding("scaling", "ok", f"{version(PACKAGE)} in {Path(__file__).parent}")
    except PackageNotFoundError:
        do = "in its folder: pip install -e ."
        yield Finding("scaling", "warn", "run from a folder, not installed", do)
        return
    core = [line for line in needed if "extra ==" not in line]
    told, wrong = _versions(core)
    if wrong:
        yield Finding("libraries", "fail", ", ".join(wrong), f"pip install -U {PACKAGE}")
    else:
        yield Finding("libraries", "ok", ", ".join(told))
    for extra, use in EXTRAS.items():
        lines = [line for line in needed if re.search(rf"extra == ['\"]{extra}['\"]", line)]
        told, wrong = _versions(lines)
        install = f"pip install '{PACKAGE}[{extra}]'"
        if not wrong:
            yield Finding(f"extra {extra}", "ok", ", ".join(told))
        elif not told and all(text.endswith("missing") for text in wrong):
            yield Finding(f"extra {extra}", "optional", f"not installed ({use})", install)
        else:
            yield Finding(f"extra {extra}", "warn", f"{', '.join(wrong)} ({use})", install)


def _versions(lines: list[str]) -> tuple[list[str], list[str]]:
    """Of requirements such as `numpy>=2.0`, those that are met and those that are not, in words."""
    met, wrong = [], []
    for line in lines:
        found = re.match(r"([\w.-]+)(?:\[[^\]]*\])?\s*(?:>=\s*([\d.]+))?", line)
        assert found is not None  # every requirement begins with a name
        name, least = found.groups()
        try:
            has = version(name)
        except PackageNotFoundError:
            wrong.append(f"{name} missing")
            continue
        if least and _release(has) < _release(least):
            wrong.append(f"{name} {has} is older than {least}")
        else:
            met.append(f"{name} {has}")
    return met, wrong


def _release(text: str) -> tuple[int, ...]:
    """The numbers of a version, without trailing zeros: 2.0 and 2.0.0 are one."""
    numbers = [int(n) for n in re.findall(r"\d+", re.split(r"[^\d.]", text, maxsplit=1)[0])]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _jax_devices() -> Finding:
    """Asked in a process of its own: this one must not take a device, nor hang or die of one."""
    command = [sys.executable, "-c", _ASK]
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        told = f"JAX named no device in {PATIENCE:g} s"
        do = "the driver hangs: try nvidia-smi; JAX_PLATFORMS=cpu trains without it"
        return Finding("devices", "fail", told, do)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        do = "JAX_PLATFORMS=cpu trains without accelerators; pip install -U 'scaling-laws[train]'"
        return Finding("devices", "fail", f"JAX does not start: {last}", do)
    found = json.loads(done.stdout.splitlines()[-1])
    kinds: dict[str, int] = {}
    for kind, name, limit in found:
        memory = f", {limit / 1e9:.0f} GB each" if limit else ""
        told = f"{name} ({kind}{memory})" if kind != "cpu" else "cpu"
        kinds[told] = kinds.get(told, 0) + 1
    told = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    if Path("/dev/nvidiactl").exists() and all(kind == "cpu" for kind, _, _ in found):
        do = "pip install 'jax[cuda13]' (or cuda12) for the GPU that is here"
        return Finding("devices", "warn", f"{told}: JAX does not use the NVIDIA GPU", do)
    return Finding("devices", "ok", told)


def _cores() -> Finding:
    usable = len(devices.cores())
    told = f"{usable} of {os.cpu_count() or usable} usable"
    if (granted := devices.granted_cores()) is not None and granted < usable:
        do = f"a control group grants less time: give --workers {max(1, int(granted))}"
        return Finding("cores", "warn", f"{told}, of which {granted:g} are granted", do)
    return Finding("cores", "ok", told)


def _memory() -> Finding:
    if (there := host_memory()) is None:
        return Finding("memory", "ok", "this system does not say how much it has")
    told = f"{there / 1e9:.1f} GB for this process"
    if there < LITTLE_MEMORY:
        return Finding("memory", "warn", told, "train with --workers 1, or on a larger machine")
    return Finding("memory", "ok", told)


def _folders() -> Iterator[Finding]:
    own = "$SCALING_CACHE names another folder"
    yield _folder("this folder", Path.cwd(), "go to a folder of your own, or give --out DIR")
    yield _folder("cache", cache_folder(), own)
    compiled = cache_folder() / "xla"
    if compiled.is_dir():
        size = sum(file.stat().st_size for file in compiled.iterdir() if file.is_file())
        told = f"{size / 1e6:,.0f} MB in {compiled}; it may be deleted at any time"
        yield Finding("compiled programs", "ok", told)
    yield _folder("temporary files", Path(tempfile.gettempdir()), "$TMPDIR names another folder")


def _folder(about: str, folder: Path, elsewhere: str) -> Finding:
    """Whether files can be written there, and for how long there is room."""
    place = next((p for p in (folder, *folder.parents) if p.is_dir()), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        told = f"{folder}: not writable: {error.strerror}"
        # A study may lie elsewhere than in the folder one is in.
        return Finding(about, "warn" if about == "this folder" else "fail", told, elsewhere)
    told = f"{folder}: writable, {free / 1e9:,.1f} GB free"
    if free < LITTLE_DISK:
        return Finding(about, "fail" if free < NO_DISK else "warn", told, f"free some; {elsewhere}")
    return Finding(about, "ok", told)


def _clusters() -> Iterator[Finding]:
    if shutil.which("sbatch") is None:
        yield Finding("slurm", "optional", "no sbatch here", "submit from a login node")
    else:
        try:
            command = ["scontrol", "ping"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            answer = (done.stdout or done.stderr).strip().splitlines()
            level: Level = "warn" if done.returncode else "ok"
            told = answer[0] if answer else f"exit code {done.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            level, told = "warn", f"scontrol does not answer: {error}"
        yield Finding("slurm", level, told, "" if level == "ok" else "ask who runs the cluster")
    if address := os.environ.get("RAY_ADDRESS"):
        yield Finding("ray", "ok", f"RAY_ADDRESS = {address}: --executor ray joins it")
