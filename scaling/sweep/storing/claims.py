"""Who trains what, where several drivers and their workers share one study: claims with leases.

A worker claims a trunk before it trains it, by a file that only one can make:
`claims/TRUNK.n`, n one more than that of the claim before it. The file says who holds it, tells
how far the work is, and is written anew every few seconds. A claim is dead where its holder's
process is gone from this very host, or where its file has not changed for a lease as long as the
onlooker's own monotonic clock: no clocks are compared, so that one that jumps harms nothing. Who
takes over a dead claim makes number n + 1; a holder that finds a higher number than its own lets
go. There is no server, and nothing but exclusive creation is asked of the file system.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling.errors import InputError
from scaling.files import create, names, read, remove, write
from scaling.train import stopping

if TYPE_CHECKING:
    from scaling.files import Place

BEAT_SECONDS = 5.0
LEASE_SECONDS = 60.0


@dataclass(frozen=True)
class Seen:
    """A claim as its file tells it. facts: the holder, `beat`, `cpu` (seconds that its process has
    used so far), and how far the work is."""

    trunk: str
    number: int
    facts: Mapping[str, Any]

    @property
    def holder(self) -> Mapping[str, Any]:
        holder = self.facts.get("holder")
        return holder if isinstance(holder, dict) else {}


@dataclass
class Claim:
    """One of our own."""

    trunk: str
    number: int
    facts: dict[str, Any] = field(default_factory=dict)

    def tell(self, **facts: Any) -> None:
        """How far the work is; it stands in the file from the next beat on."""
        self.facts.update(facts)


class Claims:
    """The claims of a study's folder, as one process sees them."""

    def __init__(
        self,
        folder: Place,
        *,
        beat_seconds: float = BEAT_SECONDS,
        lease_seconds: float | None = None,
    ) -> None:
        self.folder = folder / "claims"
        self.beat_seconds = beat_seconds
        self.lease_seconds = LEASE_SECONDS if lease_seconds is None else lease_seconds
        # When each claim that was looked at last changed, by our own clock.
        self._changed: dict[tuple[str, int], tuple[Any, float]] = {}
        self._beaten: set[tuple[str, int]] = set()

    def all(self) -> dict[str, Seen]:
        """The newest claim of each trunk that has one."""
        seen = (self._read(trunk, number) for trunk, number in self._newest().items())
        return {one.trunk: one for one in seen if one is not None}

    def of(self, trunk: str) -> Seen | None:
        """The newest claim of one trunk."""
        own = [name for name in names(self.folder) if name.rpartition(".")[0] == trunk]
        numbers = [
            int(name.rpartition(".")[2]) for name in own if name.rpartition(".")[2].isdigit()
        ]
        return self._read(trunk, max(numbers)) if numbers else None

    def is_dead(self, seen: Seen) -> bool:
        """Whether nobody holds it any more, as far as this process can tell by now.

        Of a holder elsewhere that takes a lease of looking on, from the first look.
        """
        if _gone(seen.holder):
            return True
        now, key = time.monotonic(), (seen.trunk, seen.number)
        beat = (seen.holder.get("token"), seen.facts.get("beat"))
        before = self._changed.get(key)
        if before is None or before[0] != beat:
            self._changed[key] = beat, now
            if before is not None:
                self._beaten.add(key)
            return False
        return now - before[1] > self.lease_seconds

    def has_beaten(self, seen: Seen) -> bool:
        """Whether its file was seen to change: then somebody held it while we looked on."""
        return (seen.trunk, seen.number) in self._beaten

    @contextmanager
    def hold(
        self, trunks: Sequence[str], dead: Mapping[str, int] | None = None
    ) -> Iterator[list[Claim]]:
        """Claim what is free of `trunks`, for as long as the block runs.

        dead: numbers of claims that somebody has watched die. A claim that is taken over all the
        same asks this process to let go of its work (`stopping`).
        """
        taken = (self._take(trunk, (dead or {}).get(trunk)) for trunk in trunks)
        mine = [claim for claim in taken if claim is not None]
        done = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(mine, done), daemon=True)
        keeper.start()
        try:
            yield mine
        finally:
            done.set()
            keeper.join()
            stopping.clear(process=False)  # what was taken over is not our work any more
            for claim in mine:
                remove(self._path(claim.trunk, claim.number))

    def _take(self, trunk: str, dead: int | None) -> Claim | None:
        last = self.of(trunk)
        if last is not None and last.number != dead and not self.is_dead(last):
            return None
        claim = Claim(trunk, last.number + 1 if last is not None else 1)
        if not create(self._path(trunk, claim.number), _told(claim, 0), durable=False):
            return None
        if last is not None:
            remove(self._path(trunk, last.number))
        return claim

    def _keep(self, mine: list[Claim], done: threading.Event) -> None:
        """Write the claims anew, so that others see that their holder lives."""
        beat = 0
        while mine and not done.wait(self.beat_seconds):
            beat += 1
            # A disk that refuses makes the claim look dead in time: that is no harm done.
            with suppress(InputError):
                newest = self.all()
                for claim in mine:
                    seen = newest.get(claim.trunk)
                    if seen is not None and seen.number > claim.number:
                        stopping.ask(f"trunk {claim.trunk} was taken over", save=False)
                        return
                    write(self._path(claim.trunk, claim.number), _told(claim, beat), durable=False)

    def _newest(self) -> dict[str, int]:
        """The highest number of each trunk's claims."""
        newest: dict[str, int] = {}
        for name in names(self.folder):
            trunk, _, number = name.rpartition(".")
            if trunk and number.isdigit():
                newest[trunk] = max(int(number), newest.get(trunk, 0))
        return newest

    def _read(self, trunk: str, number: int) -> Seen | None:
        try:
            facts = json.loads(read(self._path(trunk, number)))
        except FileNotFoundError:
            return None  # released meanwhile
        except (InputError, ValueError):
            facts = {}  # damaged: nobody writes it anew, so that it dies in its time
        return Seen(trunk, number, facts if isinstance(facts, dict) else {})

    def _path(self, trunk: str, number: int) -> Place:
        return self.folder / f"{trunk}.{number}"


def _told(claim: Claim, beat: int) -> bytes:
    facts = {**claim.facts, "holder": _me(), "beat": beat, "cpu": round(time.process_time(), 2)}
    return json.dumps(facts).encode()


@cache
def _me() -> dict[str, Any]:
    """This process, so that others on its machine can tell whether it still runs."""
    pid = os.getpid()
    return {
        "host": platform.node(),
        "machine": _machine(),
        "pid": pid,
        "started": _started(pid),
        "token": uuid.uuid4().hex,
    }


def _gone(holder: Mapping[str, Any]) -> bool:
    """Whether it was a process of this very machine that runs no more."""
    machine = _machine()
    if machine is None or holder.get("machine") != machine:
        return False
    return _started(holder.get("pid")) != holder.get("started")


@cache
def _machine() -> str | None:
    """What tells this start of this machine, and its own numbering of processes, from any other;
    None where the system doesn't say."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return None


def _started(pid: Any) -> str | None:
    """When a process began, by the machine's count of ticks; None where there is none. A zombie has
    ended."""
    try:
        told = Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()
    except (OSError, TypeError, ValueError):
        return None
    return None if told[0] in "ZX" else told[19]
