"""Files that are whole or not there: on a disk, in memory, and in an S3 on this machine."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scaling import files
from scaling.errors import InputError


def test_what_is_written_comes_back(place: files.Place) -> None:
    path = place / "cells" / "a" / "record.json"
    with pytest.raises(FileNotFoundError):
        files.read(path)
    assert not files.exists(path)
    assert files.names(place) == []
    files.write(path, b"one")
    assert files.read(path) == b"one"
    before = files.stamp(path)
    files.write(path, b"other")
    assert files.read(path) == b"other"
    assert files.stamp(path) != before
    with files.writing(place / "b") as file:
        file.write(b"1")
        file.write(b"2")
    with files.reading(place / "b") as file:
        file.seek(1)
        assert file.read() == b"2"
    assert files.names(place) == ["b", "cells"]
    assert files.exists(place / "cells")


def test_only_the_first_creates(place: files.Place) -> None:
    path = place / "claims" / "a.1"
    assert files.create(path, b"mine")
    assert not files.create(path, b"yours")
    assert files.read(path) == b"mine"
    files.remove(path)
    files.remove(path)
    assert files.create(path, b"yours")
    assert files.names(place / "claims") == ["a.1"]


def test_things_are_moved_and_removed(place: files.Place) -> None:
    for name in ("cells/a/one", "cells/a/two", "cells/ab/three"):
        files.write(place / name, name.encode())
    assert files.move(place / "cells" / "a", place / "quarantine" / "a-1")
    assert not files.move(place / "cells" / "a", place / "quarantine" / "a-2")
    assert files.names(place / "cells") == ["ab"]
    assert files.read(place / "quarantine" / "a-1" / "two") == b"cells/a/two"
    assert files.move(place / "cells" / "ab" / "three", place / "elsewhere" / "three")
    assert files.read(place / "elsewhere" / "three") == b"cells/ab/three"
    files.remove_folder(place / "quarantine")
    files.remove_folder(place / "quarantine")
    assert not files.exists(place / "quarantine" / "a-1" / "two")


def test_a_block_that_fails_writes_nothing(place: files.Place) -> None:
    files.write(place / "a", b"before")

    def interrupted() -> None:
        with files.writing(place / "a") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files.read(place / "a") == b"before"
    assert files.names(place) == ["a"]


def _create(folder: Path, name: str) -> bool:
    return files.create(folder / "claim", name.encode())


def test_of_many_processes_one_creates(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        for turn in range(20):
            told = pool.starmap(_create, [(tmp_path / str(turn), str(i)) for i in range(4)])
            assert sum(told) == 1
            assert (tmp_path / str(turn) / "claim").read_text() == str(told.index(True))
            assert len(list((tmp_path / str(turn)).iterdir())) == 1


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_files_are_created_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("os.link", refuse)
    assert files.create(tmp_path / "a", b"mine")
    assert not files.create(tmp_path / "a", b"yours")
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_a_link_whose_answer_was_lost_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def twice(one: Path, other: Path) -> None:
        link(one, other)
        link(one, other)

    monkeypatch.setattr("os.link", twice)
    assert files.create(tmp_path / "a", b"mine")


def test_temporaries_of_the_dead_are_told_from_those_of_the_living(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with files.writing(tmp_path / "cells" / "record.json"):
        (partial,) = (tmp_path / "cells").iterdir()
        assert files.left_over(tmp_path) == []
        dead = partial.with_name(partial.name.replace(f".{os.getpid()}.", f".{child.pid}."))
        for name in (dead.name, dead.name.replace(files._HOST, "far"), "record.json.1.tmp", ".tmp"):
            (tmp_path / "cells" / name).write_text("half")
        assert files.left_over(tmp_path) == [dead]
        assert files.names(tmp_path / "cells") == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://AKIA:secret@bucket/study", r"^s3://\*\*\*@bucket/study: .*no credentials"),
        ("s3://bucket/study?key=AKIA&secret=secret", r"^s3://bucket/study\?\*\*\*: .*no cred"),
        ("nowhere://bucket/study", "no file system called 'nowhere'; known are s3, gs, memory"),
        ("simplecache::s3://secret@bucket/x", r"^simplecache::s3://\*\*\*@bucket/x: chained"),
    ],
)
def test_urls_that_are_not_taken(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        files.folder(url)
    assert "secret" not in str(raised.value).replace("no credentials", "")


def test_local_folders_stay_paths() -> None:
    assert files.folder("out/x") == Path("out/x")
    assert files.folder("file:///out/x") == Path("/out/x")
    assert files.folder(Path("a")) == Path("a")


@pytest.mark.parametrize(("protocol", "extra"), [("s3", "s3"), ("gs", "gs")])
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, protocol: str, extra: str
) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"no module for {name}")

    monkeypatch.setattr("fsspec.get_filesystem_class", missing)
    with pytest.raises(InputError, match=rf"pip install 'scaling-laws\[{extra}\]'"):
        files.folder(f"{protocol}://bucket/study")


@pytest.mark.parametrize("attempt", [files.read, lambda p: files.write(p, b"x"), files.names])
def test_what_a_store_refuses_is_one_line_without_secrets(
    monkeypatch: pytest.MonkeyPatch, attempt: Callable[[files.Place], Any]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret")

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("the key made-up-secret is none of ours")

    place = files.folder("memory://refused/study")
    for name in ("pipe_file", "cat_file", "ls"):
        monkeypatch.setattr(f"fsspec.implementations.memory.MemoryFileSystem.{name}", refuse)
    with pytest.raises(InputError, match=r"study: cannot \w+: the key \*\*\* is none") as raised:
        attempt(place)
    assert "made-up-secret" not in repr(raised.value)


def test_a_folder_that_a_console_made_is_empty(s3: dict[str, str]) -> None:
    place = files.folder("s3://studies/by-console/")
    assert not isinstance(place, Path)
    place.fs.pipe_file("studies/by-console/", b"")
    assert files.names(place) == []
    files.write(place / "a", b"x")
    assert files.names(place) == ["a"]


def test_no_such_bucket_and_no_credentials(s3: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot write: The specified bucket does not exist"):
        files.write(files.folder("s3://nobodys-bucket/a"), b"x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    files.folder("s3://x").fs.clear_instance_cache()  # type: ignore[union-attr]  # no local path
    with pytest.raises(InputError, match="cannot read: Unable to locate credentials"):
        files.read(files.folder("s3://studies/a"))
    files.folder("s3://x").fs.clear_instance_cache()  # type: ignore[union-attr]  # no local path
