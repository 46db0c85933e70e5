"""The executor of SLURM clusters: a job a call, in arrays, submitted by submitit (extra `slurm`).

Jobs that are preempted or reach their time limit save what they have and go back into the queue
(`slurm_job.py`); their calls just take longer. A driver that is gone leaves its jobs to finish
their work into the store; one that is interrupted cancels them.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from scaling.devices import Platform
from scaling.errors import InputError
from scaling.sweep.executors import slurm_commands, slurm_job
from scaling.sweep.executors.contract import Call, End, Executor, LostError, Options
from scaling.sweep.executors.slurm_submit import Submitter, same_shape
from scaling.sweep.executors.slurm_watch import Job, fate

NAME = "slurm"
LOOK_SECONDS = 1.0  # between two looks for outcomes; SLURM itself is asked less often
LEAVE_SECONDS = 10.0
JOBS_PER_SECOND = 500.0  # that SLURM is asked about, however many there are
# What stands in a job script's comments must not end them: no space, quote or line break.
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,:@+-]+$")]
Features = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,:&|*!()\[\]-]+$")]


class Settings(Options):
    """What each job asks for. None: as the site has it."""

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Features | None = None
    exclude: Features | None = None  # nodes
    time: int = Field(60, gt=0)  # minutes of one start; a job that needs more is queued again
    cpus: int = Field(1, gt=0)  # of each process
    gpus: int = Field(0, ge=0)  # of each process
    memory_gb: float | None = Field(None, gt=0)  # of each process
    at_once: int | None = Field(None, gt=0)  # jobs that run at the same time, at most
    queued: int | None = Field(None, gt=0)  # jobs that wait or run at the same time, at most
    array: int | None = Field(None, gt=0)  # jobs of one array; at most the site's MaxArraySize
    warn_seconds: int = Field(90, ge=10)  # before the time limit: when a job is asked to save
    requeues: int = Field(100, ge=0)  # starts of one job after its first, at most
    grain_seconds: float = Field(120.0, ge=0)  # shorter work shares a job
    poll_seconds: float = Field(5.0, gt=0)  # between two questions to SLURM
    folder: Path | None = None  # of scripts, calls and logs; all nodes must see it
    srun: tuple[str, ...] = ()  # more arguments of srun

    @property
    def platform(self) -> Platform:
        return "gpu" if self.gpus else "cpu"

    @property
    def elsewhere(self) -> bool:
        return True


def start(settings: Settings, *, workers: int | None, hang_seconds: float) -> Slurm:
    """The executor of the cluster that this machine belongs to."""
    slurm_commands.need()
    at_once = min((n for n in (settings.at_once, workers) if n), default=None)
    if settings.queued:  # no more run than are queued
        settings = settings.model_copy(update={"queued": min(settings.queued, at_once or math.inf)})
        return Slurm(settings, Submitter(settings, None), settings.queued, hang_seconds)
    return Slurm(settings, Submitter(settings, at_once), at_once, hang_seconds)


class Slurm(Executor):
    """Jobs, and one thread that looks after all of them."""

    speaks: ClassVar[bool] = False

    def __init__(
        self, settings: Settings, submitter: Submitter, slots: int | None, hang_seconds: float
    ) -> None:
        self.settings, self.hang_seconds = settings, hang_seconds
        self.platform = settings.platform
        self.grain_seconds, self.slots = settings.grain_seconds, slots
        self._submitter = submitter
        self._waiting: dict[Future[Any], Call] = {}  # not yet submitted
        self._jobs: dict[Future[Any], Job] = {}
        self._gone: set[str] = set()  # jobs that have left their outcome, but not yet the queue
        self._lock = threading.Lock()  # of these three
        self._filling = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._all_done = True
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        if self._closed:
            raise RuntimeError("the executor is shut down")
        futures: list[Future[Any]] = [Future() for _ in calls]
        with self._lock:
            self._waiting.update(zip(futures, calls, strict=True))
        try:
            self._fill()
        except InputError:
            with self._lock:
                for future in futures:
                    self._waiting.pop(future, None)
            raise
        self._wake.set()
        return futures

    def _fill(self) -> None:
        """Submit what waits, as far as the queue may hold it, in arrays of calls that need the
        same. If SLURM doesn't answer, they wait on: unless for too long, or from the start."""
        with self._filling:
            while some := self._next():
                jobs = self._submitter.submit([call for _, call in some])
                if jobs is None:
                    return
                with self._lock:
                    for (future, _), job in zip(some, jobs, strict=True):
                        del self._waiting[future]
                        self._jobs[future] = job

    def _next(self) -> list[tuple[Future[Any], Call]]:
        with self._lock:
            for future in [future for future in self._waiting if future.cancelled()]:
                del self._waiting[future]
            held = len(self._jobs) + len(self._gone)
            room = max(0, self.settings.queued - held) if self.settings.queued else None
            alike = [
                (future, call)
                for future, call in self._waiting.items()
                if same_shape(call.needs, next(iter(self._waiting.values())).needs)
            ]
            return alike[: self._submitter.largest][:room]

    def end(self, future: Future[Any], label: End = "killed", told: str = "ended by hand") -> None:
        with self._lock:
            job = self._jobs.get(future)
        if job is None:  # it waits still, or has ended
            return
        if label == "hung":
            job.accused = LostError(label, told)
        else:
            self._end(job, LostError(label, told))
            self._wake.set()

    def _end(self, job: Job, why: LostError) -> None:
        job.ended = job.ended or why
        _kill([job.number])

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            with self._lock:
                for future in self._waiting:
                    future.cancel()
                self._waiting.clear()
            if self._known():
                self._leave()
        self._closed = True
        self._wake.set()
        if wait:
            self._thread.join()

    def _leave(self) -> None:
        """Ask the jobs that run to stop, and end those that don't."""
        slurm_job.ask_all_to_leave(self._submitter.folder)
        numbers = [job.number for job in self._known().values()]
        slurm_commands.cancel(numbers, state="PENDING")
        slurm_commands.cancel(numbers, state="RUNNING", signal="TERM")
        until = time.monotonic() + LEAVE_SECONDS
        while (left := self._known()) and time.monotonic() < until:
            self._wake.set()
            time.sleep(0.2)
        _kill([job.number for job in left.values()])
        for future, job in left.items():
            self._settle(future, job.ended or LostError("killed", "its driver left"))

    def _known(self) -> dict[Future[Any], Job]:
        with self._lock:
            return dict(self._jobs)

    def _look_after(self) -> None:
        """Give every future its end, until there are none and no more will come."""
        try:
            asked = float("-inf")
            while not self._closed or self._known() or self._waiting:
                busy = self._known() or self._waiting
                self._wake.wait(min(LOOK_SECONDS, self.settings.poll_seconds) if busy else None)
                hurry = self._wake.is_set()
                self._wake.clear()
                self._read()
                pause = max(self.settings.poll_seconds, len(self._known()) / JOBS_PER_SECOND)
                if hurry or time.monotonic() - asked > pause:
                    self._ask()
                    asked = time.monotonic()
                try:
                    self._fill()
                except InputError as error:  # of what was to follow: jobs that run go on
                    self._give_up(error, self._waiting)
            if self._all_done:
                self._submitter.tidy()
        except BaseException as error:  # else its futures would never end
            self._give_up(error, self._waiting)
            self._give_up(error, self._jobs)
            raise

    def _give_up(self, error: BaseException, those: dict[Future[Any], Any]) -> None:
        with self._lock:
            futures = list(those)
            those.clear()
        self._all_done = False
        for future in futures:
            _finish(future, error)

    def _read(self) -> None:
        """What jobs have left."""
        here = slurm_job.left(self._submitter.folder)
        for future, job in self._known().items():
            if future.cancelled():
                _kill([job.number])
                self._drop(future)
            elif job.key in here:
                kind, value = slurm_job.take(self._submitter.folder, job.key)
                if kind == "stopped":
                    value = job.ended or LostError("preempted", f"job {job.number}: {value}")
                self._settle(future, value, done=kind == "done")

    def _ask(self) -> None:
        """What SLURM says of the jobs that have left nothing yet."""
        jobs = self._known()
        numbers = [job.number for job in jobs.values()] + list(self._gone)
        states = slurm_commands.states(sorted({number.partition("_")[0] for number in numbers}))
        if states is None:  # it will answer again
            return
        with self._lock:
            self._gone = {n for n in self._gone if (state := states.get(n)) and state.lives}
        for future, job in jobs.items():
            state = states.get(job.number)
            if job.runs(state):
                self._begin(future)
            # Who sees no life in the store may see what an earlier start has left there.
            accused, job.accused = job.accused, None
            if accused is not None and job.runs_for(self.hang_seconds):
                self._end(job, accused)
            if (error := fate(job, state, self._submitter.logs)) is not None:
                if state is not None and state.lives:
                    _kill([job.number])
                self._read()  # it may have left something in the meantime
                self._settle(future, error)

    def _begin(self, future: Future[Any]) -> None:
        with self._lock:
            if future in self._jobs and not future.running():
                future.set_running_or_notify_cancel()

    def _settle(self, future: Future[Any], value: Any, *, done: bool = False) -> None:
        if self._drop(future):
            self._all_done &= done
            _finish(future, value, done=done)

    def _drop(self, future: Future[Any]) -> bool:
        with self._lock:
            job = self._jobs.pop(future, None)
            if job is not None and self.settings.queued:
                self._gone.add(job.number)
            return job is not None


def _finish(future: Future[Any], value: Any, *, done: bool = False) -> None:
    """Give a future its result or its error, unless it was cancelled."""
    if not future.running() and not future.set_running_or_notify_cancel():
        return
    if done:
        future.set_result(value)
    else:
        future.set_exception(value)


def _kill(numbers: Sequence[str]) -> None:
    """At once: a plain scancel gives a job time to go, which one that hangs would only use up."""
    slurm_commands.cancel(numbers, signal="KILL")
    slurm_commands.cancel(numbers)
