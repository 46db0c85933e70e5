"""docs/extending.md: its files are found through the entry points that it shows, in a package that
is installed beside, and pass what every member passes."""

from __future__ import annotations

import importlib
import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batteries import families as family_battery
from batteries import laws as law_battery
from batteries.documents import ROOT, blocks_of
from batteries.executors import ExecutorContract, result, square
from batteries.figures import source, texts
from batteries.sources import check_source

from scaling import families, importers, laws
from scaling.data import sources
from scaling.errors import InputError
from scaling.grid import Section
from scaling.plot import registry
from scaling.sweep import executors, trackers
from scaling.sweep.executors.contract import Executor
from scaling.sweep.trackers.contract import Run

BLOCKS = blocks_of(ROOT / "docs" / "extending.md")
FILES = {block.title: block.text for block in BLOCKS if block.title is not None}
KINDS = (families, importers, sources, executors, trackers)


@pytest.fixture(scope="module", autouse=True)
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package `mine`, installed: its files, its entry points as an installer writes them."""
    folder = tmp_path_factory.mktemp("mine")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    project = next(tomllib.loads(b.text)["project"] for b in BLOCKS if b.language == "toml")
    info = folder / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {what}\n" for name, what in entries.items())
            for group, entries in project["entry-points"].items()
        )
    )
    sys.path.insert(0, str(folder))
    look_again()
    yield
    sys.path.remove(str(folder))
    look_again()


def look_again() -> None:
    """Forget what the registries found."""
    importlib.invalidate_caches()
    for kind in KINDS:
        kind._registry.cache_clear()
    for found in (laws._registry, laws._published, laws._declared):
        found.cache_clear()
    importlib.reload(registry)


@pytest.mark.parametrize("check", law_battery.EVERY, ids=lambda check: check.__name__)
def test_the_law(check: Callable[[Any], None]) -> None:
    check(laws.get("half"))


def test_the_data_source(tmp_path: Path) -> None:
    check_source("manual", tmp_path)


def test_the_importer(tmp_path: Path) -> None:
    file = tmp_path / "two.runs.json"
    log = [{"step": 1, "tokens": 64}, {"step": 2, "tokens": 128, "val_loss": 2.5}]
    run = {"name": "a", "config": {"parameters": 1000}, "log": log}
    file.write_text(json.dumps([run, {**run, "name": "b"}]))
    assert importers.recognised(str(file)) == "notebook"
    first, second = importers.get("notebook").read(str(file))
    assert (first.id, second.id) == ("a", "b")
    assert first.history["tokens"].tolist() == [64, 128]
    assert first.config == {"parameters": 1000}
    file.write_text("[{]")
    with pytest.raises(InputError, match=r"two.runs.json:1: no JSON"):
        next(iter(importers.get("notebook").read(str(file))))


def fresh() -> Executor:
    kind = executors._registry()["fresh"]
    started: Executor = kind.start(kind.Settings(), workers=2, hang_seconds=60)
    return started


def test_the_executor() -> None:
    with fresh() as executor:
        assert result(executor.submit(square, 3)) == 9


@pytest.mark.slow
class TestTheExecutor(ExecutorContract):
    """The whole contract: a process for every call."""

    @pytest.fixture
    def start(self) -> Callable[[], Executor]:
        return fresh


def test_the_tracker(tmp_path: Path) -> None:
    ready = trackers.ready({"lines": {}}, tmp_path)
    kind = trackers._registry()["lines"]
    run = Run("0a1b", "cell", "study", {"N": 1000})
    live = kind.begin(kind.Settings(**ready["lines"]), run)
    live.log([(16, {"loss": 2.5})])
    live.end("finished", {"loss": 2.25})
    lines = (tmp_path / "trackers" / "lines" / "cell.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"run": "0a1b", "study": "study", "config": {"N": 1000}},
        {"step": 16, "loss": 2.5},
        {"end": "finished", "loss": 2.25},
    ]
    assert issubclass(kind.Settings, Section)


def test_the_family() -> None:
    shape = families.get("perceptron").from_size(3e4, count="N_total", **family_battery.IMAGE)
    assert shape.N_total == pytest.approx(3e4, rel=0.05)
    assert shape.parameters() == family_battery.real_parameters("perceptron", shape)
    built = family_battery.build("perceptron", shape)
    forward = family_battery.counted_flops(built.forward, built.variables, *built.data)
    assert forward.dense == family_battery.BATCH * sum(shape.forward_flops().values())


def test_the_figure() -> None:
    entry = registry.get("ratio")
    said = [text for text, _ in texts(entry.draw(source("ratio")))]
    assert "loss (nats per token)" in said
