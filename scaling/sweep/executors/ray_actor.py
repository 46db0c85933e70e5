"""The other end of the Ray executor: an actor that makes one call after another.

While a call runs, Ray's control threads ask how it goes, or ask it to stop. The process stays
between calls, with all that it has compiled and read.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Literal

from scaling.sweep import worker
from scaling.sweep.worker import Message
from scaling.train import stopping

# Messages travel together, so often: one by one, Ray would cost more than small cells do.
LOOK_SECONDS = 0.5
# Of one core, above what Ray's own threads take in an actor that waits (0.013).
COMPUTES = 0.05


@dataclass(frozen=True)
class Greeting:
    """Where an actor is. port: free there, for those who are to meet at it."""

    pid: int
    address: str
    port: int

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.address}"


@dataclass(frozen=True)
class Answer:
    """How a call ended, and what it sent that no look has told yet."""

    kind: Literal["done", "error", "preempted"]
    value: Any
    messages: list[Message]


@dataclass(frozen=True)
class Look:
    """What a call sent since the last look, and whether its process has computed."""

    messages: list[Message]
    computes: bool


class Actor:
    """environment: variables set before anything imports JAX; paths: where the driver's modules
    are, which may be here as well."""

    def __init__(self, environment: Mapping[str, str], paths: Sequence[str]) -> None:
        os.environ.update(environment)
        sys.path += [path for path in paths if path not in sys.path]
        self._outbox: deque[Message] = deque()
        self._clock, self._used = time.monotonic(), time.process_time()

    def greet(self) -> Greeting:
        import ray

        address = ray.util.get_node_ip_address()
        with closing(socket.socket()) as probe:
            probe.bind((address, 0))
            return Greeting(os.getpid(), address, probe.getsockname()[1])

    def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], environment: Mapping[str, str]
    ) -> Answer:
        """What is raised comes back as a value: Ray would dress it as an error of its own."""
        os.environ.update(environment)
        try:
            with worker.here(self._outbox.append):
                value = fn(*args)
        except stopping.Stopped as stopped:
            return Answer("preempted", str(stopped), self._sent())
        except Exception as error:
            return Answer("error", worker.portable(error), self._sent())
        return Answer("done", value, self._sent())

    def look(self, seconds: float) -> Look:
        time.sleep(seconds)
        now, used = time.monotonic(), time.process_time()
        share = (used - self._used) / (now - self._clock)
        self._clock, self._used = now, used
        return Look(self._sent(), share > COMPUTES)

    def stop(self, why: str) -> None:
        """SIGTERM would be Ray's: it ends an actor at once, checkpoint or not."""
        stopping.ask(why)

    def _sent(self) -> list[Message]:
        sent = []
        with suppress(IndexError):  # until it is empty, whoever else takes from it
            while True:
                sent.append(self._outbox.popleft())
        return sent
