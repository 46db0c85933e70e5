"""What an executor is: calls in, futures out, in the shape of `concurrent.futures`.

An executor starts workers somewhere, calls functions in them, and says how each call ended. It
knows nothing of cells, and tries nothing again: that is the driver's (`scaling.sweep.run`), the
same for all. What the calls give is in the study's store; an executor carries small records only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as FuturesExecutor
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from scaling.devices import Platform
from scaling.grid import Section

Message = Any  # whatever a call sends to the driver while it runs; small, picklable
OnMessage = Callable[[Message], None]
End = Literal["killed", "hung", "preempted"]


class Options(Section):
    """The base of an executor's `Settings`: its keys in the grid's `[executor]`, without `name`.
    Every key has a default."""

    @property
    def platform(self) -> Platform | None:
        """Kind of device that calls run on; None: this machine's."""
        return None

    @property
    def elsewhere(self) -> bool:
        """Whether calls run on other machines, so that timings of this one say nothing."""
        return False


@dataclass(frozen=True)
class Needs:
    """What one call takes. devices: accelerators of each process (simulated ones of a CPU take
    nothing); processes: that work on it together, each perhaps on a host of its own; seconds: as
    predicted, None where not; memory_bytes: at the peak, on one device."""

    devices: int = 1
    processes: int = 1
    seconds: float | None = None
    memory_bytes: int = 0


@dataclass(frozen=True)
class Call:
    """`fn(*args)`, to be called in a worker. fn: a module's function; args: plain and picklable;
    label: for people, in a queue's listing."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    needs: Needs = Needs()
    label: str = ""


class LostError(Exception):
    """Raised by the future of a call whose worker was lost: it may be made again.

    label: what became of it; a call that was `preempted` did nothing wrong. told: in words.
    """

    def __init__(self, label: End, told: str) -> None:
        super().__init__(label, told)
        self.label, self.told = label, told

    def __str__(self) -> str:
        return f"{self.label}: {self.told}"


class Executor(FuturesExecutor, ABC):
    """Calls functions in workers.

    A future gives what its call returned, or raises what it raised (as a type that the driver
    knows, `InputError` among them), or `LostError`. With several processes, each gets the variables
    of `scaling.train.distributed.VARIABLES`, and what process 0 returns is the result. Calls start
    in the order given as far as there is room.

    on_message: called, in the driver's thread or another, with what calls send by
    `scaling.sweep.worker.send`; an executor whose workers cannot reach the driver drops it (their
    progress is in the store's claims all the same).
    """

    # Kind of device that calls run on; None: this machine's.
    platform: Platform | None = None
    # Calls shorter than this are better bundled: starting one costs more than it takes.
    grain_seconds: float = 0.0
    # How many calls of one device run at once; None: as many as the cluster has room for.
    slots: int | None = None
    # Whether what calls send arrives, and calls that hang are found; else the driver looks at the
    # store's claims, and `end`s what shows no life.
    speaks: ClassVar[bool] = True
    on_message: OnMessage | None = None

    @abstractmethod
    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        """Queue the calls; returns at once. Raises InputError where they can never run here."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """One call, as `concurrent.futures` has it."""
        if kwargs:
            raise TypeError(f"calls have no keywords here: {', '.join(kwargs)}")
        return self.submit_all([Call(fn, args)])[0]

    @abstractmethod
    def end(self, future: Future[Any], label: End = "killed", told: str = "ended by hand") -> None:
        """End a call that runs, its worker if need be: its future then raises `LostError` with this
        label and these words."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let go; of what still runs, too, if the block was left by an error."""
        self.shutdown(wait=True, cancel_futures=kind is not None)

    @abstractmethod
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of all workers. cancel_futures: queued calls are cancelled, and those that run are
        asked to stop (SIGTERM: they checkpoint) and ended where they don't within 10 s."""


class Kind(Protocol):
    """What an executor's module declares."""

    NAME: str
    Settings: type[Options]

    def start(self, settings: Any, *, workers: int | None, hang_seconds: float) -> Executor:
        """An executor, ready. workers: calls at once, by default as many as there is room for;
        hang_seconds: without a sign of progress after which a call is `hung`. Raises InputError
        where what the settings ask for is not there, naming the extra that brings it."""
        ...
