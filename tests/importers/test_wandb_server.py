"""Runs of W&B's server, by its own client against a server on this machine that answers as W&B's
does for two pages of runs and histories of several pages (its answers are made here, not W&B's)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scaling.errors import InputError
from scaling.importers.wandb import read, recognises

pytest.importorskip("wandb", reason="needs wandb: pip install 'scaling-laws[trackers]'")
RUNS = [f"run{index}" for index in range(60)]  # the client asks for 50 at a time
ROWS = 2500  # and for 1,000 rows


def node(name: str) -> dict[str, Any]:
    config = {"lr": {"value": 0.1, "desc": None}, "model": {"value": {"d": 8}}}
    return {
        "id": name, "projectId": "1", "tags": [], "name": name, "displayName": f"größe {name}",
        "sweepName": None, "state": "crashed" if name == "run1" else "finished",
        "config": json.dumps(config), "group": None, "jobType": None, "commit": None,
        "readOnly": True, "createdAt": "2024-01-01T00:00:00Z", "heartbeatAt": None,
        "description": None, "notes": None, "systemMetrics": "{}",
        "summaryMetrics": json.dumps({"num_params": 1000, "image": {"_type": "image"}}),
        "historyLineCount": ROWS, "user": {"name": "u", "username": "u"},
        "historyKeys": {"lastStep": ROWS - 1, "keys": {}},
    }  # fmt: skip


def row(step: int) -> dict[str, Any]:
    loss: Any = {7: "NaN", 8: "Infinity"}.get(step, 3 + 1 / (step + 1))
    return {"_step": step, "_timestamp": 1.5, "loss": loss, "words": "text"}


def answer(query: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What W&B's server says; one run's history is long, the others' are empty."""
    if "viewer" in query:
        who = {"id": "u", "entity": "ent", "username": "u", "email": "e", "flags": "{}"}
        return {"viewer": {**who, "teams": {"edges": []}}}
    if asked.get("project") == "none":
        return {"project": None}
    long = "run0" in asked.values()
    if "RunParquetHistory" in query:
        live = [row(step) for step in range(ROWS)] if long else []
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": live}}}}
    if "RunHistoryKeys" in query:
        last = ROWS - 1 if long else -1
        return {"project": {"run": {"historyKeys": {"lastStep": last, "keys": {}}}}}
    if "history(" in query:
        steps = range(asked["minStep"], min(asked["maxStep"], ROWS))
        return {"project": {"run": {"history": [json.dumps(row(step)) for step in steps]}}}
    if "query Run(" in query:
        return {"project": {"run": node(asked["name"]) if asked["name"] in RUNS else None}}
    first = RUNS.index(asked["cursor"]) + 1 if asked.get("cursor") else 0
    page = RUNS[first : first + asked["perPage"]]
    edges = [{"node": node(name), "cursor": name} for name in page]
    more = {"endCursor": page[-1], "hasNextPage": page[-1] != RUNS[-1]}
    runs = {"edges": edges, "pageInfo": more}
    return {"project": {"internalId": "1", "runCount": 60, "readOnly": True, "runs": runs}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """What it was asked."""
    seen: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append(asked["query"])
            data = answer(asked["query"], asked.get("variables") or {})
            body = json.dumps({"data": data}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{serving.server_port}")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path))
    yield seen
    serving.shutdown()
    serving.server_close()
    thread.join()


def test_a_project_is_read_in_pages(server: list[str]) -> None:
    assert recognises("wandb:ent/proj")
    runs = list(read("wandb:ent/proj"))
    assert [run.id for run in runs] == RUNS
    long = runs[0]
    assert long.history["_step"].tolist() == list(range(ROWS))
    losses = [float(row(step)["loss"]) for step in range(ROWS)]
    np.testing.assert_array_equal(long.history["loss"], losses)
    assert set(long.history) == {"_step", "loss"}
    assert (long.name, long.origin) == ("größe run0", "wandb:ent/proj/run0")
    assert long.config == {"lr": 0.1, "model.d": 8}
    assert long.final == {"num_params": 1000}
    assert [run.ended for run in runs[:3]] == ["finished", "crashed", "finished"]
    assert long.started == 1704067200.0
    assert sum("query Runs(" in query for query in server) == 2
    assert sum("history(" in query for query in server) == 3


@pytest.mark.usefixtures("server")
def test_one_run_is_read_by_its_id_and_a_wrong_one_is_named() -> None:
    (run,) = read("wandb:ent/proj/run3")
    assert run.id == "run3"
    with pytest.raises(InputError, match=r"wandb:ent/proj/nope: W&B's server: Could not find run"):
        list(read("wandb:ent/proj/nope"))
    with pytest.raises(InputError, match=r"wandb:ent/none: W&B's server: Could not find project"):
        list(read("wandb:ent/none"))


def test_without_a_key_it_says_where_to_put_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    # W&B's package keeps a key that any test of this process gave it.
    monkeypatch.setattr("wandb.api", SimpleNamespace(api_key=None))
    with pytest.raises(InputError, match="set WANDB_API_KEY or run `wandb login`; runs on this"):
        list(read("wandb:ent/proj"))


@pytest.mark.parametrize("source", ["wandb:", "wandb:ent", "wandb:a/b/c/d", "wandb:a//b"])
def test_what_is_no_project_is_refused(source: str) -> None:
    with pytest.raises(InputError, match="give wandb:entity/project or wandb:entity/project/run"):
        list(read(source))
