"""What the driver knows of an actor and of a call, and what it makes of Ray's errors."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from scaling.errors import InputError
from scaling.sweep import worker
from scaling.sweep.executors.contract import Call, End, LostError
from scaling.sweep.executors.ray_actor import LOOK_SECONDS, Answer, Greeting
from scaling.sweep.executors.ray_room import Request

STARTS = 3  # actors in a row that end before they are there, and no more are tried
SHORT_SECONDS = 1.0
TOLD_LETTERS = 300  # of Ray's reasons, which go on about causes there may be


@dataclass(eq=False)
class Member:
    """An actor. greeting: None until it is there; number: among the processes of its job; after:
    what it has been told already to do after that."""

    actor: Any
    request: Request
    job: Job | None = None
    number: int = 0
    after: Job | None = None
    greeting: Greeting | None = None
    gone: bool = False
    free_since: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class Job:
    """A call on its way. heard, moved: when it last told something, and last computed; fault: why
    it is lost; until: when others of its processes are waited for no longer."""

    call: Call
    future: Future[Any]
    request: Request
    team: list[Member] = field(default_factory=list)
    group: Any = None  # Ray's, of the places of several processes
    answers: dict[int, Answer] = field(default_factory=dict)
    heard: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)
    begun: bool = False
    told: bool = False  # to an actor, before its turn
    fault: LostError | None = None
    until: float = float("inf")

    @property
    def processes(self) -> int:
        return self.call.needs.processes

    @property
    def short(self) -> bool:
        """Whether the way there and back counts, and waiting for another such call does not."""
        seconds = self.call.needs.seconds
        return self.processes == 1 and seconds is not None and seconds <= SHORT_SECONDS

    def begin(self) -> None:
        self.begun = True
        self.heard = self.moved = time.monotonic()

    def seen(self, told: bool, computes: bool) -> None:
        now = time.monotonic()
        self.heard = now if told else self.heard
        self.moved = now if told or computes else self.moved

    def excuse(self, seconds: float) -> None:
        """Time that doesn't count against it."""
        self.heard += seconds
        self.moved += seconds

    def overdue(self, hang_seconds: float) -> Answer | LostError | None:
        """What became of it, if nothing more is waited for. It hangs, as the local executor has
        it, where nothing was told and nothing computed for so long."""
        now = time.monotonic()
        if now > self.until:
            return self.fault or self.answers[0]
        silent, still = now - self.heard, now - self.moved
        patience = max(hang_seconds, 4 * LOOK_SECONDS)
        if self.begun and (still > patience or silent > worker.BUSY * hang_seconds):
            return LostError("hung", f"no sign of progress for {silent:.0f} s")
        return None

    def settle(self, answer: Answer | Exception) -> None:
        """Into the future."""
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        elif answer.kind == "done":
            self.future.set_result(answer.value)
        elif answer.kind == "preempted":
            self.future.set_exception(LostError("preempted", str(answer.value)))
        else:
            self.future.set_exception(answer.value)


def of_call(error: BaseException, where: Greeting | None) -> Exception:
    """What Ray raises in place of an answer, as what the driver knows."""
    import ray.exceptions as known

    # Where it could not even be called, or not answer, the cause lies below one or two of Ray's.
    cause = getattr(error, "cause", error)
    cause = getattr(cause, "client_exc", cause)
    if isinstance(cause, ImportError):
        return InputError(f"executor ray: {where} can't make the call: {cause}")
    if isinstance(cause, known.RayError) and not isinstance(cause, known.RaySystemError):
        label: End = "preempted" if getattr(cause, "preempted", False) else "killed"
        return LostError(label, f"{where or 'an actor'}: {_reason(cause)}")
    return RuntimeError(f"{type(cause).__name__}: {cause}")


def of_start(error: BaseException, in_a_row: int) -> InputError | None:
    """Of an actor that can start nowhere; None where another try may do."""
    import ray.exceptions as known

    failed = isinstance(error, known.RayTaskError | known.RuntimeEnvSetupError)
    if failed or getattr(error, "actor_init_failed", False):
        last = str(error).strip().splitlines()[-1].strip()
        hint = "every node needs what is installed here, of the same versions"
    elif in_a_row >= STARTS:
        last = _reason(error)
        hint = "have the driver and the cluster the same Ray, and the same RAY_AUTH_MODE?"
    else:
        return None
    return InputError(f"executor ray: no worker starts: {last} ({hint})")


def _reason(error: BaseException) -> str:
    """Ray's own words, less what stands in columns and what is general."""
    lines = [line for line in str(error).splitlines() if line.strip() and line[0] != "\t"]
    told = " ".join(lines[1:] or lines).split("Some common causes include")[0].strip()
    return told if len(told) <= TOLD_LETTERS else told[:TOLD_LETTERS] + "..."
