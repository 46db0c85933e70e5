"""The driver's end of the Ray executor: calls from a queue to actors, answers into futures.

A pool of actors rather than Ray's tasks, because an actor can be spoken to while a call runs: asked
to stop with a checkpoint (a task can only be interrupted), and asked how it goes. They live on
between calls; a call of several processes gets new ones, since a process can join others once.

All that changes is changed by one thread, which takes one event after another from an inbox.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from scaling.errors import InputError
from scaling.sweep.executors import ray_room
from scaling.sweep.executors.contract import Call, End, Executor, LostError, Needs
from scaling.sweep.executors.ray_actor import Answer, Look
from scaling.sweep.executors.ray_jobs import Job, Member, of_call, of_start
from scaling.sweep.executors.ray_pool import Pool, kind
from scaling.sweep.executors.ray_room import Settings
from scaling.train.distributed import VARIABLES

TICK_SECONDS = 0.5
ABSENT_SECONDS = 1.0  # beyond a tick: the driver itself was stopped
STOP_SECONDS = 10.0  # for a call that was asked to stop, and processes behind their first
BEREFT_SECONDS = 120.0  # with a call to make, and no node that could
PEER_SECONDS = 2.0  # after one process of several is lost, for what another has to say


class RayExecutor(Executor):
    """leave: called when all is done, to let go of Ray."""

    def __init__(
        self,
        settings: Settings,
        *,
        workers: int | None,
        hang_seconds: float,
        leave: Callable[[], None],
    ) -> None:
        self.platform, self.hang_seconds = settings.platform, hang_seconds
        self._settings, self._leave = settings, leave
        self._pool = Pool(settings, workers, self)
        one = settings.request(Needs())
        room = sum(ray_room.times(one, node) for node in self._pool.there)
        ray_room.check(one, 1, settings.placement, self._pool.there)
        self.slots = min(workers or room, room)
        self._queue: dict[Future[Any], Job] = {}
        self._running: dict[Future[Any], Job] = {}
        self._failed_starts = 0
        self._closing, self._until = False, float("inf")
        self._able = time.monotonic()  # to make the next call, when that was last looked at
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ray-executor", daemon=True)
        self._thread.start()
        # Before Ray's own, which was registered earlier: nothing may use it then.
        atexit.register(self.shutdown, cancel_futures=True)

    def submit_all(self, calls: Sequence[Call]) -> list[Future[Any]]:
        if self._closing:
            raise RuntimeError("the executor was shut down")
        jobs = [Job(call, Future(), self._settings.request(call.needs)) for call in calls]
        for job in {(kind(job.request), job.processes): job for job in jobs}.values():
            self._check(job)
        self.post(partial(self._queued, jobs))
        return [job.future for job in jobs]

    def end(self, future: Future[Any], label: End = "killed", told: str = "ended by hand") -> None:
        def event() -> None:
            if job := self._running.get(future):
                self._finish(job, LostError(label, told))

        self.post(event)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.post(partial(self._close, cancel_futures))
        if wait and self._thread is not threading.current_thread():
            self._thread.join()
        atexit.unregister(self.shutdown)

    def post(self, event: Callable[[], None]) -> None:
        self._inbox.put(event)

    def _check(self, job: Job) -> None:
        ray_room.check(job.request, job.processes, self._settings.placement, self._pool.there)

    # From here on: the executor's own thread.

    def _run(self) -> None:
        try:
            then = time.monotonic()
            while not self._closing or self._queue or self._running:
                with suppress(Empty):
                    self._inbox.get(timeout=TICK_SECONDS)()
                passed = time.monotonic() - then
                if passed > TICK_SECONDS:
                    self._tick(passed - TICK_SECONDS)
                    then = time.monotonic()
        except BaseException as error:  # nobody is to wait for what never comes
            for job in (*self._queue.values(), *self._running.values()):
                if not job.future.done():
                    job.future.set_exception(error)
            raise
        finally:
            self._closing = True
            self._pool.dismiss_all()
            self._leave()

    def _queued(self, jobs: Sequence[Job]) -> None:
        self._queue |= {job.future: job for job in jobs}
        self._fill()

    def _close(self, cancel: bool) -> None:
        self._closing = True
        if not cancel:
            return
        for future in self._queue:
            future.cancel()
            future.set_running_or_notify_cancel()
        self._queue.clear()
        self._until = time.monotonic() + STOP_SECONDS
        for job in [*self._running.values()]:
            if not job.begun:
                self._finish(job, LostError("preempted", "stopped before it began"))
            for member in job.team if job.begun else ():
                self._pool.ask_to_stop(member, "the driver stops")

    def _fill(self) -> None:
        """Start what can start; who then has nothing to do makes room for what could not."""
        self._start()
        if self._queue and (free := self._pool.free()):
            for member in free:
                self._pool.dismiss(member)
            self._start()

    def _start(self) -> None:
        """Calls in the order of the queue, as far as each finds an actor, or room for one."""
        coming, done = self._pool.coming(), []
        for future, job in self._queue.items():
            its = kind(job.request)
            if job.told:
                continue
            if future.cancelled():
                future.set_running_or_notify_cancel()
                done.append(future)
            elif job.processes > 1:
                if not self._pool.has_room([job.request] * job.processes, len(self._running)):
                    break
                done.append(future)
                self._meet(job)
            elif member := next((m for m in self._pool.free() if kind(m.request) == its), None):
                done.append(future)
                self._give(member, job)
            elif coming[its]:
                coming[its] -= 1
            elif self._pool.has_room([job.request], len(self._running)):
                self._pool.hire(job.request)
            elif job.short and (member := self._pool.with_room_after(job)):
                member.after, job.told = job, True
                self._pool.call(member, job, {})
            else:
                break
        for future in done:
            del self._queue[future]

    def _give(self, member: Member, job: Job) -> None:
        if job.future.set_running_or_notify_cancel():
            self._take_on(member, job)
            self._pool.call(member, job, {})

    def _take_on(self, member: Member, job: Job) -> None:
        self._running[job.future] = job
        member.job, job.team = job, [member]
        job.begin()

    def _meet(self, job: Job) -> None:
        """Places for the processes of one call, all at once or none, and an actor in each."""
        from ray.util import placement_group

        if not job.future.set_running_or_notify_cancel():
            return
        self._running[job.future] = job
        places = [dict(job.request)] * job.processes
        job.group = placement_group(places, strategy=self._settings.placement)
        job.team = [self._pool.hire(job.request, job, n) for n in range(job.processes)]

    def arrived(self, member: Member) -> None:
        self._failed_starts = 0
        job = member.job
        if job is not None and all(each.greeting for each in job.team):
            job.begin()
            for each in job.team:
                where = job.team[0].greeting
                assert where is not None
                said = (f"{where.address}:{where.port}", str(each.number), str(job.processes))
                self._pool.call(each, job, dict(zip(VARIABLES, said, strict=True)))
        self._fill()

    def looked(self, member: Member, look: Look) -> None:
        if job := member.job:
            job.seen(bool(look.messages), look.computes)
        self._tell(look.messages)

    def answered(self, member: Member, answer: Answer) -> None:
        job = member.job
        assert job is not None  # it was called
        self._tell(answer.messages)
        job.answers[member.number] = answer
        if answer.kind == "error":
            self._finish(job, answer)
        elif len(job.answers) == job.processes:
            self._finish(job, job.answers[0])
        elif member.number == 0:
            job.until = time.monotonic() + STOP_SECONDS

    def failed(self, member: Member, error: BaseException) -> None:
        told = of_call(error, member.greeting)
        self._pool.dismiss(member)
        if member.greeting is None:
            self._failed_starts += 1
            if refusal := of_start(error, self._failed_starts):
                self._refuse(refusal)
        job = member.job
        if job is not None and job.future in self._running:
            if job.processes > 1 and job.begun and isinstance(told, LostError):
                # The others fall with it, and one may say why.
                job.fault, job.until = job.fault or told, time.monotonic() + PEER_SECONDS
            else:
                self._finish(job, told)
        self._fill()

    def _tell(self, messages: Sequence[Any]) -> None:
        tell = self.on_message or (lambda message: None)
        for message in messages:
            tell(message)

    def _refuse(self, why: InputError) -> None:
        """All that waits, and all that has not begun."""
        for job in [job for job in self._queue.values() if not job.told]:
            del self._queue[job.future]
            if job.future.set_running_or_notify_cancel():
                job.settle(why)
        for job in [job for job in self._running.values() if not job.begun]:
            self._finish(job, why)

    def _finish(self, job: Job, how: Answer | Exception) -> None:
        """The call is over. Its actor goes on, if it came back from this one."""
        del self._running[job.future]
        for member in job.team:
            answer = job.answers.get(member.number)
            member.job, member.free_since = None, time.monotonic()
            stays = job.group is None and answer is not None and answer.kind != "preempted"
            if not stays or self._until < float("inf"):
                self._pool.dismiss(member)
            elif (after := member.after) is not None:
                member.after = None
                del self._queue[after.future]
                if after.future.set_running_or_notify_cancel():
                    self._take_on(member, after)
                else:
                    self._pool.dismiss(member)  # it makes a call that was called off
        if job.group is not None:
            from ray.util import remove_placement_group

            remove_placement_group(job.group)
        job.settle(how)
        self._fill()

    def _tick(self, absent: float) -> None:
        now = time.monotonic()
        for job in [*self._running.values()]:
            if absent > ABSENT_SECONDS:
                job.excuse(absent)
            if now > self._until:
                self._finish(job, LostError("killed", f"did not stop in {STOP_SECONDS:.0f} s"))
            elif over := job.overdue(self.hang_seconds):
                self._finish(job, over)
        self._pool.dismiss_idle()
        if self._pool.look_around():
            self._mind_the_next(now)
            self._fill()

    def _mind_the_next(self, now: float) -> None:
        """Nodes come and go; with none left for the next call, Ray would wait for ever."""
        job = next(iter(self._queue.values()), None)
        try:
            if job is not None:
                self._check(job)
            self._able = now
        except InputError as lacks:
            if now - self._able > BEREFT_SECONDS:
                self._refuse(lacks)
