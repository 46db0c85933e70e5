"""The Ray executor: actors with CPUs, GPUs and memory of a cluster's, or of a Ray of our own here.

Extra `ray`. Without an address Ray starts on this machine for the study alone, listens on loopback
only, lets in who knows a token that is made up on the spot, and ends with the study.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path

from scaling.devices import cores
from scaling.errors import InputError
from scaling.sweep.executors.ray_executor import RayExecutor
from scaling.sweep.executors.ray_room import Settings as Settings

NAME = "ray"
# The least that Ray takes: calls and what they give are small.
STORE_BYTES = 80 * 2**20
ANSWER_SECONDS = 5.0
# Of the paths of Ray's sockets: 107 bytes are all that a system allows, some 65 are Ray's own.
LONGEST_FOLDER = 40
# For the processes of a Ray of our own.
OURS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # its word for loopback
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # 15 by itself: behind all else that this machine does
}
TOKEN, MODE = "RAY_AUTH_TOKEN", "RAY_AUTH_MODE"
QUIET = "RAY_DEDUP_LOGS_SKIP_REGEX"  # lines that are not printed into our output


def start(settings: Settings, *, workers: int | None, hang_seconds: float) -> RayExecutor:
    """The executor of a cluster, or of a Ray that it starts and ends."""
    if find_spec("ray") is None:
        raise InputError("executor ray: Ray is not here: pip install 'scaling-laws[ray]'")
    leave = _meet(settings, workers)
    try:
        return RayExecutor(settings, workers=workers, hang_seconds=hang_seconds, leave=leave)
    except BaseException:
        leave()
        raise


def _meet(settings: Settings, workers: int | None) -> Callable[[], None]:
    """Join or start Ray; how to leave it. One that this process has joined already is used."""
    with _as_it_was():
        os.environ.setdefault(QUIET, ".")
        import ray

        if ray.is_initialized():
            return lambda: None
        if settings.address is not None:
            _join(settings.address)
            return _leave
        return _start(ceil(settings.cpus * workers) if workers else len(cores()))


def _join(address: str) -> None:
    import ray

    def refused(told: object) -> InputError:
        return InputError(
            f"executor ray: no cluster to join at {address!r}: {str(told).splitlines()[0]}; this "
            "machine must be a node of it (`ray start --address=HOST:PORT`); without an address "
            "a Ray of our own starts here"
        )

    if address != "auto":  # Ray would try for a minute, and end the process
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
        except OSError as error:
            raise refused(error) from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, AssertionError, ray.exceptions.RayError) as error:
        raise refused(error) from None


def _leave() -> None:
    import ray

    ray.shutdown()


def _start(cpus: int) -> Callable[[], None]:
    """A Ray of our own, which nothing outside this machine can reach."""
    import ray
    from ray._private import ray_constants

    os.environ.update(OURS)
    os.environ.setdefault(TOKEN, token())  # else Ray leaves one in the user's home
    clusters = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False  # for this process, which may have read it long ago
    folder = _folder()
    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = clusters

    def leave() -> None:
        _leave()
        shutil.rmtree(folder, ignore_errors=True)

    return leave


@cache
def token() -> str:
    """One a process: Ray reads it once."""
    return secrets.token_hex(32)


def _folder() -> str:
    """For Ray's sockets and logs; nobody else's to read."""
    short = len(tempfile.gettempdir()) <= LONGEST_FOLDER - len("/scaling-ray-12345678")
    return tempfile.mkdtemp(prefix="scaling-ray-", dir=None if short else Path("/tmp"))


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Variables, and SIGTERM's handler, are put back: Ray takes that for itself."""
    variables = {name: os.environ.get(name) for name in (*OURS, TOKEN, MODE, QUIET)}
    mine = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if mine:
            signal.signal(signal.SIGTERM, handler)
