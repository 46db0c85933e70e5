"""Places where a study may lie: a local folder, memory, and an S3 that runs on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest

from scaling import files

PLACES = ("local", "memory", "s3")
BUCKET = "studies"


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """moto's S3 on loopback; gives its address."""
    if missing := [name for name in ("s3fs", "moto", "flask") if find_spec(name) is None]:
        pytest.skip(f"no {', '.join(missing)} here: pip install 'scaling-laws[s3]' 'moto[server]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "s3.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
        )
    try:
        _answers(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def s3_environment(address: str) -> dict[str, str]:
    """What s3fs reads; the credentials are made up, and must show nowhere."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "AKIAMADEUPACCESS",
        "AWS_SECRET_ACCESS_KEY": "made-up-and-secret-all-the-same",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def fresh(kind: str, tmp_path: Path) -> files.Place:
    """A folder that nobody has used, not yet made."""
    name = uuid4().hex
    if kind == "local":
        return tmp_path / name
    if kind == "memory":
        return files.folder(f"memory://{name}/study")
    return files.folder(f"s3://{BUCKET}/{name}")


def make_bucket() -> None:
    files.folder(f"s3://{BUCKET}/x").fs.mkdir(BUCKET)  # type: ignore[union-attr]  # no local path


def _answers(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("moto's server did not start")
