"""MLflow's file store: a folder an experiment, in it a folder a run, in it a file a metric."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scaling.importers.contract import LoggedRun
from scaling.importers.mlflow_run import SYSTEM, Stored

META = "meta.yaml"
_ESCAPE = re.compile(r"\\(x[0-9A-F]{2}|u[0-9A-F]{4}|U[0-9A-F]{8}|.)")  # of YAML, in double quotes
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "0": "\0", "N": "\x85", "_": "\xa0"}
_STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


def recognises(path: Path) -> bool:
    return bool(experiments(path))


def experiments(path: Path) -> dict[str, str]:
    """Their names by their folders; deleted ones are gone. path: a store, a folder that holds one
    as `mlruns` (our own tracker: `runs`), an experiment's folder or a run's."""
    of_a_run = [path.parent] if "run_id" in _meta(path) else []
    places = [[path], of_a_run, *(_inside(path / part) for part in ("", "mlruns", "runs"))]
    for folders in places:
        metas = {str(folder): _meta(folder) for folder in folders}
        found = {
            folder: meta["name"]
            for folder, meta in metas.items()
            if {"experiment_id", "name"} <= meta.keys()
            and "run_id" not in meta
            and meta.get("lifecycle_stage") != "deleted"
        }
        if found:
            return found
    return {}


def runs(path: Path, experiment: str, name: str) -> Iterator[LoggedRun]:
    folders = [path] if "run_id" in _meta(path) else _inside(Path(experiment))
    for folder in folders:
        meta = _meta(folder)
        if "run_id" in meta and meta.get("lifecycle_stage") != "deleted":
            notes: list[str] = []
            started = meta.get("start_time", "")
            yield Stored(
                id=meta["run_id"],
                origin=str(folder),
                name=meta.get("run_name", ""),
                experiment=name,
                status=_STATUS.get(meta.get("status", ""), ""),
                started=float(started) if started.isdigit() else None,
                params=dict(_texts(folder / "params")),
                tags=dict(_texts(folder / "tags")),
                metrics=_metrics(folder / "metrics", notes),
                notes=notes,
            ).logged()


def _inside(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Names, which may hold slashes, and their files."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for name, file in _files(folder):
        yield name, file.read_text(encoding="utf-8", errors="replace")


def _metrics(folder: Path, notes: list[str]) -> dict[str, np.ndarray]:
    """Lines of time, value and step; older ones lack the step, newer may name a data set."""
    found = {}
    for name, file in _files(folder):
        if name.startswith(SYSTEM):
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines()
        if not text.endswith("\n") and lines:
            notes.append(f"metric {name}: the file ends inside line {len(lines)}: left out")
            del lines[-1]
        try:
            rows = [[float(part) for part in line.split(" ")[:3]] for line in lines]
        except ValueError:
            rows = _sound(name, lines, notes)
        if rows:
            found[name] = np.array([row if len(row) == 3 else [*row, 0.0] for row in rows])
    return found


def _sound(name: str, lines: list[str], notes: list[str]) -> list[list[float]]:
    """The lines up to the first that can't be read."""
    rows: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append([float(part) for part in line.split(" ")[:3]])
        except ValueError:
            notes.append(f"metric {name}: read up to line {number}, which is {line[:40]!r}")
            break
    return rows


def _meta(folder: Path) -> dict[str, str]:
    """A flat YAML file as MLflow writes it: `key: value`, long values on several lines."""
    try:
        text = (folder / META).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found: dict[str, str] = {}
    key = ""
    for line in text.split("\n"):
        name, colon, value = line.partition(": ")
        if line.startswith(" ") and key:
            before = found[key]
            escaped = before.endswith("\\")
            found[key] = before[:-1] + line.strip() if escaped else f"{before} {line.strip()}"
        elif colon:
            key = name
            found[key] = value.strip()
    return {key: _unquoted(value) for key, value in found.items()}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    if len(value) > 1 and value[0] == value[-1] == '"':
        return _ESCAPE.sub(_unescaped, value[1:-1])
    return value


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if code[1:] else _ESCAPES.get(code, code)
