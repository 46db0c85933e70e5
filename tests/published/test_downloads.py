"""`scaling data`: downloads from a server on loopback that stands for the host, whole, cut, wrong;
and tables from a folder."""

from __future__ import annotations

import hashlib
import http.server
import json
import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from scaling.cli import app
from scaling.errors import InputError
from scaling.published import load, tables
from scaling.table import read_table

NAME = "chinchilla-epoch"
COLOR = "#" * 100  # so that the file is of several pieces
RAW = "Model Size,Training FLOP,loss,color\n" + "".join(
    f"{size}e6,{6 * size * 20 * size}e12,{2 + 1 / size},{COLOR}\n" for size in range(1, 41)
)


@dataclass
class Host:
    """The server's side. content: of every file; cut: bytes after which a connection breaks, one
    number for each request to come; ranges: whether it can begin in the middle; asked: the ranges
    that it was asked for."""

    content: bytes
    cut: list[int] = field(default_factory=list)
    ranges: bool = True
    status: int = 200
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host with one small file, of which the catalogue knows the checksum; with a cache of our
    own."""
    host = Host(RAW.encode())

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:  # the name that http.server asks for
            wanted = self.headers.get("Range")
            host.asked.append(wanted)
            if host.status != 200:
                self.send_error(host.status)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            start = start if host.ranges else 0
            self.send_response(206 if start else 200)
            if start:
                end = len(host.content)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
            body = host.content[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: host.cut.pop(0)] if host.cut else body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True, args=(0.02,))
    thread.start()
    monkeypatch.setattr(tables, "HOST", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    known = tables.TABLES[NAME]
    ours = replace(
        known.originals[0],
        sha256=hashlib.sha256(host.content).hexdigest(),
        size=len(host.content),
    )
    monkeypatch.setitem(tables.TABLES, NAME, replace(known, originals=(ours,)))
    yield host
    server.shutdown()
    server.server_close()
    thread.join()


def get(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", "get", *map(str, arguments)])


def kept(tmp_path: Path) -> list[str]:
    cache = tmp_path / "cache" / "scaling"
    return sorted(p.name[17:] for p in cache.iterdir() if p.suffix != ".lock")


def test_a_table_is_shown_first_then_had_and_fitted(host: Host, tmp_path: Path) -> None:
    done = get(NAME, "-o", tmp_path, "--yes")
    assert done.exit_code == 0, done.exception
    lines = done.output.splitlines()
    assert lines[1] == "source: epoch-research/analyzing-chinchilla; licence: none stated"
    assert lines[3].startswith("SHA-256: ")
    path = tmp_path / f"{NAME}.parquet"
    assert lines[4] == f"{path}: 40 rows, 8 columns"
    df = read_table(path)
    assert df["D"].tolist() == pytest.approx((20 * df["N"]).tolist())
    assert set(df["C_kind"]) == {"6ND"}
    assert pq.read_schema(path).field("D").metadata[b"unit"] == b"tokens"
    host.status = 500  # a second time it comes from the cache
    assert get(NAME, "-o", tmp_path, "--yes", "--force").exit_code == 0
    assert host.asked == [None]
    command = shlex.split(lines[-1].removeprefix("next: scaling "))
    fitted = CliRunner().invoke(app, [*command, "--draws", "20", "--json"])
    assert set(json.loads(fitted.output)["params"]) == {"E", "A", "B", "alpha", "beta"}


def test_nothing_is_downloaded_unasked(host: Host, tmp_path: Path) -> None:
    done = get(NAME, "-o", tmp_path)
    assert "licence: none stated" in done.output
    assert "say --yes, or name a folder with --from" in str(done.exception)
    assert host.asked == []


def test_a_cut_connection_goes_on_where_it_broke(host: Host, tmp_path: Path) -> None:
    host.cut = [1024, 2050]
    assert len(load(NAME)) == 40
    assert host.asked == [None, "bytes=1024-", "bytes=3072-"]
    assert kept(tmp_path) == [f"{NAME}.csv"]


def test_the_same_command_goes_on_later(host: Host, tmp_path: Path) -> None:
    host.cut = [1024, 1024, 0]
    done = get(NAME, "-o", tmp_path, "--yes")
    whole = len(host.content)
    assert f"; 2,048 of {whole:,} bytes are kept, the same command goes on" in str(done.exception)
    assert kept(tmp_path) == [f"{NAME}.csv.part"]
    assert not (tmp_path / f"{NAME}.parquet").exists()
    assert get(NAME, "-o", tmp_path, "--yes").exit_code == 0
    assert host.asked[-1] == "bytes=2048-"


def test_a_host_that_knows_no_ranges_sends_all_again(host: Host) -> None:
    host.cut, host.ranges = [1024], False
    assert len(load(NAME)) == 40


def test_what_is_not_the_file_is_refused_and_not_kept(host: Host, tmp_path: Path) -> None:
    host.content = host.content.replace(b",2.5,", b",2.6,")
    done = get(NAME, "-o", tmp_path, "--yes")
    assert isinstance(done.exception, InputError)
    told = str(done.exception)
    assert hashlib.sha256(host.content).hexdigest() in told
    assert "was not kept; or put chinchilla-epoch.csv into a folder and name it with --from" in told
    assert kept(tmp_path) == []


def test_more_than_the_file_is_not_waited_for(host: Host) -> None:
    size, told = len(host.content), []
    host.content += bytes(1 << 20)
    with pytest.raises(InputError, match="it is not the file that was published"):
        load(NAME, tell=lambda done, total: told.append(done))
    assert size < told[-1] < size + (1 << 12)


def test_a_damaged_copy_in_the_cache_is_had_again(host: Host, tmp_path: Path) -> None:
    load(NAME)
    (copy,) = (tmp_path / "cache" / "scaling").glob("*.csv")
    copy.write_text("damaged")
    assert len(load(NAME)) == 40
    assert len(host.asked) == 2


def test_a_host_without_the_file_is_told(host: Host) -> None:
    host.status = 404
    with pytest.raises(InputError, match=r"could not be had \(404 .*with --data"):
        load(NAME)
    assert len(host.asked) == 1


def test_what_only_a_folder_has_says_so(tmp_path: Path) -> None:
    done = get("parscale", "-o", tmp_path, "--yes")
    assert (
        "has it in no plain table. Make parscale.csv from it and name the folder with --from"
        in (str(done.exception))
    )


def test_the_list_says_how_each_is_had() -> None:
    done = CliRunner().invoke(app, ["data", "list", "--json"])
    said = {item["name"]: item for item in json.loads(done.output)}
    assert set(said) == set(tables.TABLES)
    assert said["parscale"]["bytes"] is None
    assert said["clark-routing"]["files"][0]["url"].startswith("https://")
    text = CliRunner().invoke(app, ["data", "list"]).output
    assert all(name in text for name in tables.TABLES)


FOLDER_ONLY = [name for name, table in tables.TABLES.items() if not table.originals]


@pytest.mark.parametrize("name", [*FOLDER_ONLY, "clark-routing"])
def test_tables_of_a_folder(name: str, shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    done = get(name, "--from", shared_data, "-o", path)
    assert done.exit_code == 0, done.exception
    ours = pd.read_csv(shared_data / tables.TABLES[name].file)
    found = read_table(path)
    assert len(found) == len(ours)
    assert set(found.columns) == set(ours.columns) | set(tables.TABLES[name].kinds)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(tables.TABLES))
def test_what_to_ask_first_is_answered(name: str, shared_data: Path, tmp_path: Path) -> None:
    table = tables.TABLES[name]
    files = [table.file, *(f"original/{one.file}" for one in table.originals)]
    found = [shared_data / file for file in files if (shared_data / file).exists()]
    if not found:
        pytest.skip(f"no copy of {name} is here: put one into ../shared/data")
    folder = found[0].parent
    done = get(name, "--from", folder, "-o", tmp_path)
    command = shlex.split(done.output.splitlines()[-1].removeprefix("next: scaling "))
    answered = CliRunner().invoke(app, command)
    assert answered.exit_code == 0, answered.exception
