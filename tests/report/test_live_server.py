"""The live report without a browser: what is built when, what is served to whom, what is left."""

from __future__ import annotations

import http.client
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from batteries.running import Running, files_of
from typer.testing import CliRunner

from scaling import files
from scaling.cli import app
from scaling.errors import InputError
from scaling.report import live as live_module
from scaling.report.live import Live, Page
from scaling.report.serving import server

PAGE = Page(b"<p>page</p>", "v1", "live: 3 of 8 cells, refreshed 12:03:07")


@contextmanager
def serving(newest: Callable[[], Page], port: int = 0) -> Iterator[int]:
    with server(newest, port) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield made.server_address[1]
        finally:
            made.shutdown()
            thread.join()


def asked(
    port: int, path: str = "/", method: str = "GET", host: str = "127.0.0.1", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": host, **headers})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_page_and_version_are_all_there_is() -> None:
    with serving(lambda: PAGE) as port:
        answer, body = asked(port)
        assert (answer.status, body) == (200, PAGE.html)
        assert answer.headers["ETag"] == '"v1"'
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert "Python" not in str(answer.headers)
        answer, body = asked(port, "/version?now")
        assert json.loads(body) == {"version": "v1", "told": PAGE.told}
        tag = answer.headers["ETag"]
        answer, body = asked(port, "/version", **{"If-None-Match": tag})
        assert (answer.status, body) == (304, b"")
        answer, body = asked(port, method="HEAD")
        assert (answer.status, body) == (200, b"")
        assert answer.headers["Content-Length"] == str(len(PAGE.html))


@pytest.mark.parametrize(
    "path",
    ["/report.html", "/../etc/passwd", "//etc/passwd", "/%2e%2e/study.json", "/version/", "x"],
)
def test_no_path_is_a_file(path: str) -> None:
    with serving(lambda: PAGE) as port:
        answer, body = asked(port, path)
        assert (answer.status, body) == (404, b"not here: / and /version are\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_nothing_can_be_sent(method: str) -> None:
    with serving(lambda: PAGE) as port:
        answer, _ = asked(port, method=method)
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost:9000", 200), ("LOCALHOST", 200), ("[::1]:8770", 200),
        ("evil.example", 403), ("evil.example:8770", 403), ("127.0.0.1.evil.example", 403),
        ("localhost.", 403), ("", 403),
    ],
)  # fmt: skip
def test_only_this_machines_names_are_answered(host: str, status: int) -> None:
    with serving(lambda: PAGE) as port:
        answer, body = asked(port, host=host)
        assert answer.status == status
        assert (PAGE.html in body) == (status == 200)


def test_a_port_in_use_is_named_with_one_that_is_free(tmp_path: Path) -> None:
    with serving(lambda: PAGE) as port:
        with pytest.raises(InputError, match=rf"port {port}: address already in use; ") as told:
            server(lambda: PAGE, port)
        free = int(str(told.value).rpartition(" ")[2])
        assert str(told.value).endswith(f"; {free} is free: --port {free}")
        with serving(lambda: PAGE, free) as other:
            assert other == free


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(live_module, "BUILD_SHARE", math.inf)
    monkeypatch.setattr(live_module, "LOOK_SHARE", math.inf)
    monkeypatch.setattr(live_module, "NICENESS", os.nice(0))


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pages without figures, to be quick: how many records each one shows."""
    built: list[int] = []

    def page(study: Any, asked: Any, live: dict[str, str]) -> str:
        built.append(len(study.records))
        return f"{live['told']}: {len(study.records)}"

    monkeypatch.setattr(live_module, "render", page)
    return built


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_is_built_anew_when_records_change_and_only_then(
    tmp_path: Path, hurried: None, rendered: list[int]
) -> None:
    study = Running(tmp_path / "study", targets=False)
    study.finish(3)
    with Live(study.folder) as live:
        assert live.page.told.startswith("live: 3 of 32 cells, refreshed ")
        study.claim(str(study.rows[0]["trunk"]), 5, 2.0)  # no record: no other page
        time.sleep(0.2)
        assert rendered == [3]
        study.finish(1)
        wait(lambda: live.page.html.endswith(b": 4"))
        (study.folder / "claims" / f"{study.rows[0]['trunk']}.1").unlink()
        study.finish(28)
        wait(lambda: live.page.told.startswith("done: 32 of 32 cells"))
        version = live.page.version
    assert rendered[-1] == 32
    assert live.page.version == version


def test_a_rebuild_waits_for_its_turn(
    tmp_path: Path, hurried: None, rendered: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "BUILD_SHARE", 1e-9)
    study = Running(tmp_path / "study", targets=False)
    study.finish(3)
    with Live(study.folder) as live:
        study.finish(5)
        wait(lambda: live.page.told.startswith("live: 8 of 32 cells"))
        assert rendered == [3]
        study.finish(24)
        wait(lambda: rendered == [3, 32])  # the last word is said at once


def test_torn_and_strange_files_do_not_end_it(
    tmp_path: Path, hurried: None, rendered: list[int]
) -> None:
    study = Running(tmp_path / "study")
    study.finish(3)
    with Live(study.folder) as live:
        run = str(study.finish(1)[0]["run"])
        record = study.folder / "cells" / run / "record.json"
        whole = record.read_bytes()
        record.write_bytes(whole[:99])
        (study.folder / "cells" / str(study.rows[0]["run"]) / "curve.parquet").write_bytes(b"no")
        (study.folder / "forecast.json").write_bytes(b"{")
        wait(lambda: len(rendered) > 1)
        marker = (study.folder / "study.json").read_bytes()
        (study.folder / "study.json").write_bytes(b"[1")
        wait(lambda: "; the last look failed: " in live.page.told)
        assert "not valid JSON" in live.page.told
        (study.folder / "study.json").write_bytes(marker)
        record.write_bytes(whole)
        study.finish(1)
        wait(lambda: rendered[-1] == 5)
        wait(lambda: "failed" not in live.page.told)


def test_the_folder_stays_as_it_is_and_unchanged_records_are_not_read_again(
    tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Running(tmp_path / "study")
    study.finish(20)
    read: list[str] = []
    whole = files.reading
    monkeypatch.setattr(files, "reading", lambda path: read.append(str(path)) or whole(path))
    before = list(files_of(study.folder))
    with Live(study.folder) as live:
        assert b"<svg" in live.page.html
        assert b"connect-src 'self'" in live.page.html
        assert b'id="live-data"' in live.page.html
        assert list(files_of(study.folder)) == before
        read.clear()
        (new,) = study.finish(1)
        version = live.page.version
        wait(lambda: live.page.version != version)
    cells = {Path(path).parent.name for path in read if "/cells/" in path}
    assert cells == {new["run"]}
    assert not (study.folder / "report.html").exists()


def test_a_study_behind_a_url_is_served_alike(
    place: Any, hurried: None, rendered: list[int], tmp_path: Path
) -> None:
    study = Running(tmp_path / "here")

    def copy() -> None:
        for path in study.folder.rglob("*"):
            if path.is_file():
                files.write(place / str(path.relative_to(study.folder)), path.read_bytes())

    study.finish(3)
    copy()
    with Live(place) as live:
        assert live.page.told.startswith("live: 3 of 33 cells")
        study.finish(2)
        copy()
        wait(lambda: rendered[-1] == 5)


def test_options_that_go_with_a_page_in_a_file_are_refused(tmp_path: Path) -> None:
    def failing(*options: str) -> str:
        with pytest.raises(InputError) as told:
            CliRunner().invoke(app, ["report", *options], catch_exceptions=False)
        return str(told.value)

    study = str(Running(tmp_path / "study").folder)
    assert "--live: shows a study alone; no --out" in failing(study, "--live", "--out", "x.html")
    assert "only with --live" in failing(study, "--port", "1234")
    assert "none: no such folder" in failing(str(tmp_path / "none"), "--live", "--port", "0")
    table = tmp_path / "runs.csv"
    table.write_text("N,D,loss")
    assert "runs.csv: no folder" in failing(str(table), "--live", "--port", "0")


def test_the_command_says_where_it_is_and_ends_quietly(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(4)
    command = [sys.executable, "-W", "error", "-m", "scaling.cli", "report", str(study.folder)]
    with subprocess.Popen(
        [*command, "--live", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("live report: http://127.0.0.1:")
        port = int(line.split(":")[3].partition("/")[0])
        _, body = asked(port)
        assert b"4 of 33 cells" in body
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "", "")
