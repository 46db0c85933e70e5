"""Trackers' SQLite databases, read without changing them or leaving files beside them."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from scaling.errors import InputError

MAGIC = b"SQLite format 3\x00"


def is_database(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def has_tables(file: Path, *names: str) -> bool:
    """Whether it is a database with these tables; one that can't be read has none."""
    if not is_database(file):
        return False
    try:
        with database(file) as opened:
            return set(names) <= tables(opened)
    except InputError:
        return False


def tables(opened: sqlite3.Connection) -> set[str]:
    return {name for (name,) in opened.execute("SELECT name FROM sqlite_master")}


def columns(opened: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in opened.execute(f"PRAGMA table_info({table})")}


@contextmanager
def database(file: Path) -> Iterator[sqlite3.Connection]:
    """The database as of its last commit. Raises InputError where it is damaged or is none.

    Commits that its writer hasn't yet moved into the file itself stand in a log beside it (-wal);
    SQLite reads them only where it may write, so that such a database is copied first.
    """
    log = file.with_name(f"{file.name}-wal")
    try:
        if log.exists() and log.stat().st_size:
            with tempfile.TemporaryDirectory() as folder:
                for each in (file, log):
                    shutil.copy(each, folder)
                with closing(sqlite3.connect(Path(folder, file.name))) as opened:
                    yield opened
        else:
            where = f"file:{quote(str(file.absolute()))}?immutable=1"
            with closing(sqlite3.connect(where, uri=True)) as opened:
                yield opened
    except sqlite3.Error as error:
        raise InputError(f"{file}: SQLite can't read it: {error}") from None
