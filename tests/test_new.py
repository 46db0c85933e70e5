"""`scaling new`: each family on each shipped source that it fits, planned; questions; refusals."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from batteries.sources import prose
from typer.testing import CliRunner

from scaling import drafted, families
from scaling.cli import app
from scaling.commands import new
from scaling.data import image_sources, sources
from scaling.errors import InputError
from scaling.grid import AnyData, load_grid, open_data, plan, unit_of
from scaling.grid.draft import UNTUNED, Draft, draft
from scaling.grid.draft_toml import data_of, toml_of
from scaling.planned import Planned, plan_grid

PAIRED = [
    (family, source)
    for family in families.names()
    for source in new.sources_for(families.get(family).UNIT)
]


def written(found: Draft) -> str:
    return toml_of(found, "first", "first.toml", "A first grid.")


@cache
def opened(source: str, unit: Any) -> AnyData:
    try:
        return open_data(data_of(source, unit), unit)
    except InputError as error:
        pytest.skip(f"{source} is not here: {error}")


def test_every_shipped_source_is_offered() -> None:
    assert {source for _, source in PAIRED} == {*sources.names(), *image_sources.names()}


@pytest.mark.parametrize(("family", "source"), PAIRED)
def test_each_family_on_each_of_its_sources_is_planned(
    family: str, source: str, tmp_path: Path
) -> None:
    unit = families.get(family).UNIT
    data = opened(source, unit)
    found = drafted._smallest(family, source, data, written)
    path = tmp_path / "f.toml"
    path.write_text(found.text)
    grid = load_grid(path)
    assert unit_of(grid.families) == unit
    assert grid.data == data_of(source, unit)
    cells = plan(grid, data)
    pilots = [cell for cell in cells if cell.role == "pilot"]
    targets = [cell for cell in cells if cell.role == "target"]
    assert len({cell.shape.N for cell in pilots}) >= 3
    for size in {cell.shape.N for cell in pilots}:
        assert len({cell.D for cell in pilots if size == cell.shape.N}) >= 3
    largest = max(cell.C for cell in pilots)
    assert targets
    assert all(10.5 <= cell.C / largest < 14 for cell in targets)  # small widths are coarse
    assert all(cell.D_unique >= cell.D for cell in cells), "data are read once"
    assert not {cell.seed for cell in pilots} & {cell.seed for cell in targets}
    assert bool(grid.train.tune) == (family in UNTUNED)


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    for n in range(200):
        (tmp_path / f"{n}.txt").write_text(prose(n))
    return f"{tmp_path}/*.txt"


def run(*arguments: object, **settings: Any) -> Any:
    return CliRunner().invoke(app, ["new", *map(str, arguments)], **settings)


def test_files_of_ones_own_and_sizes(tmp_path: Path, corpus: str) -> None:
    path = tmp_path / "mine.toml"
    given = ("--family", "transformer", "--data", corpus, "--sizes", "1700:14k")
    done = run(path, *given, "--json")
    assert done.exit_code == 0, done.exception
    told = json.loads(done.stdout)
    assert told["next"] == [f"scaling plan {path}", f"scaling study {path}"]
    assert told["predicted_seconds"] is None
    grid = load_grid(path)
    assert grid.name == "mine"
    planned = plan_grid(grid)
    assert len(planned.part("pilot")) == told["pilots"]
    sizes = told["N_of_pilots"]
    assert all(1.2 < b / a < 4 for a, b in pairwise(sizes))
    assert 1500 < sizes[0] < 2000
    assert 12_000 < sizes[-1] < 16_000


def test_it_writes_over_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    error = run(path, "--family", "transformer").exception
    assert isinstance(error, InputError)
    assert "not written over" in str(error)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--family NAME, --data SOURCE, --minutes M or --sizes LOW:HIGH"),
        (["--family", "mlp", "--sizes", "1e3:1e4"], "give --data SOURCE"),
        (["--family", "mpl", "--data", "digits", "--minutes", "1"], "did you mean 'mlp'?"),
        (["--family", "mlp", "--data", "kjv", "--sizes", "1e3:1e4"], "holds text"),
        (["--family", "mlp", "--data", "digits", "--sizes", "1e4:1e3"], "HIGH must be 3 times LOW"),
        (["--family", "mlp", "--data", "digits", "--sizes", "1e4:ten"], "is not a number"),
        (["--family", "mlp", "--data", "digits", "--sizes", "1:9"], "a ladder needs three"),
        (["--family", "mlp", "--data", "digits", "--minutes", "-1"], "more than nothing"),
        (["--minutes", "1", "--sizes", "1:2"], "give one of them"),
    ],
)
def test_refusals(arguments: list[str], told: str, tmp_path: Path) -> None:
    path = tmp_path / "no.toml"
    error = run(path, *arguments).exception
    assert isinstance(error, InputError)
    assert told in str(error)
    assert not path.exists()


def test_three_questions_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new, "sys", type("", (), {"stdin": type("", (), {"isatty": lambda: True})}))
    path = tmp_path / "asked.toml"
    done = run(path, input="mlp\n\n500:5k\n")
    assert done.exit_code == 0, done.exception
    assert done.stdout.count("?") + done.stdout.count("]: ") <= 3
    assert load_grid(path).model.family == "mlp"
    assert load_grid(path).data.source == new.sources_for("image")[0]


class TestTime:
    """With a machine of a stated speed: seconds grow as FLOPs do, and by a second a shape."""

    @pytest.fixture(autouse=True)
    def _speed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def timed(planned: Planned, workers: int, *_: object) -> Planned:
            steps = {c.timing_key: c.shape.training_flops() * c.batch / 1e9 for c in planned.cells}
            others = {"start": 1.0, "evaluation": 0.1}
            return planned.at_times({key: {"step": step, **others} for key, step in steps.items()})

        monkeypatch.setattr(Planned, "timed", timed)

    @pytest.mark.parametrize("minutes", [2, 20, 200])
    def test_it_fits_the_time_given(self, minutes: float) -> None:
        data = opened("digits", "image")
        found = drafted.of_time("mlp", "digits", data, 60 * minutes, 2, written, print)
        took = found.seconds(2)
        assert took is not None
        assert took <= 60 * minutes

    def test_too_little_time_is_refused_with_what_is_needed(self) -> None:
        data = opened("digits", "image")
        with pytest.raises(InputError, match=r"give --minutes \d+ or more"):
            drafted.of_time("mlp", "digits", data, 0.1, 2, written, print)


def test_more_than_the_text_holds_is_refused() -> None:
    with pytest.raises(InputError, match="each token read once; give more text, or at most"):
        draft("transformer", "python-stdlib", opened("python-stdlib", "token"), 1e7)
