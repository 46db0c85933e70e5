"""The actors of the Ray executor, as the driver has them: hired, spoken to, dismissed."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from scaling.sweep.executors import ray_room
from scaling.sweep.executors.contract import Needs
from scaling.sweep.executors.ray_actor import LOOK_SECONDS, Actor, Answer, Look
from scaling.sweep.executors.ray_jobs import Job, Member
from scaling.sweep.executors.ray_room import Request, Settings

FREE_SECONDS = 30.0  # until an actor without work gives back what it holds
COMING_SECONDS = 5.0  # the same, while others wait for a place
AROUND_SECONDS = 5.0  # between two looks for nodes that came or went
LOOKS = 200  # a second, of all actors together, at most

Kind = tuple[tuple[str, float], ...]


class Owner(Protocol):
    """Who is told. `post`, from any thread: call this in the thread that all else is done in."""

    def post(self, event: Callable[[], None]) -> None: ...

    def arrived(self, member: Member) -> None: ...

    def looked(self, member: Member, look: Look) -> None: ...

    def answered(self, member: Member, answer: Answer) -> None: ...

    def failed(self, member: Member, error: BaseException) -> None:
        """It answers no more, or could not be asked."""


class Pool:
    """All of it in the owner's thread. most: calls at once, if there is a limit; there: what each
    node has."""

    def __init__(self, settings: Settings, most: int | None, owner: Owner) -> None:
        import ray

        self._settings, self._most, self._owner = settings, most, owner
        # Beside the calls: one looks how they go, one may ask them to stop.
        self._actor = ray.remote(concurrency_groups={"control": 2})(Actor)
        self.members: list[Member] = []
        self.there = ray_room.nodes()
        self._looked_around = time.monotonic()

    def without_job(self) -> list[Member]:
        return [member for member in self.members if member.job is None]

    def free(self) -> list[Member]:
        """Who is there and has nothing to do."""
        return [member for member in self.without_job() if member.greeting is not None]

    def with_room_after(self, job: Job) -> Member | None:
        """Who makes a short call and may be told the next."""
        its = kind(job.request)
        return next(
            (
                member
                for member in self.members
                if member.job and member.job.short and not member.after
                if kind(member.request) == its
            ),
            None,
        )

    def coming(self) -> Counter[Kind]:
        """How many of a kind are on their way, for whoever needs one then."""
        return Counter(kind(m.request) for m in self.without_job() if m.greeting is None)

    def look_around(self) -> bool:
        """For nodes that came or went; whether it was time to."""
        now = time.monotonic()
        if now - self._looked_around < AROUND_SECONDS:
            return False
        self._looked_around, self.there = now, ray_room.nodes()
        return True

    def has_room(self, wanted: Sequence[Request], running: int) -> bool:
        """Whether one more call may be on its way, beside what we hold already. A cluster that is
        smaller than the workers that were asked for may yet grow; and whether a node is free of
        what others hold is Ray's to say: it waits."""
        has = ray_room.total(self.there)
        if self._most is not None:
            if len(self.without_job()) + running >= self._most:
                return False
            for name, amount in self._settings.request(Needs()).items():
                has[name] = max(has[name], self._most * amount)
        held = ray_room.total([member.request for member in self.members])
        asked = ray_room.total(wanted)
        return all(ray_room.enough(has[name] - held[name], n) for name, n in asked.items())

    def hire(self, request: Request, job: Job | None = None, number: int = 0) -> Member:
        """An actor, once Ray has a place for it; for one process of a job, in the job's group."""
        options = ray_room.options(request)
        if job is not None:
            from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy as Place

            options["scheduling_strategy"] = Place(job.group, placement_group_bundle_index=number)
        actor = self._actor.options(max_restarts=0, max_task_retries=0, **options).remote(
            self._settings.environment(), [path for path in sys.path if path]
        )
        member = Member(actor, request, job, number)
        self.members.append(member)
        self._when(member, actor.greet.remote(), self._greeted)
        return member

    def call(self, member: Member, job: Job, environment: Mapping[str, str]) -> None:
        call = member.actor.call.options(name=job.call.label or "call")
        answer = call.remote(job.call.fn, job.call.args, environment)
        self._when(member, answer, self._owner.answered)

    def ask_to_stop(self, member: Member, why: str) -> None:
        member.actor.stop.options(concurrency_group="control").remote(why)

    def dismiss(self, member: Member) -> None:
        import ray

        if not member.gone:
            member.gone = True
            if member.after is not None:  # which had not begun: it is somebody else's turn
                member.after.told = False
            self.members.remove(member)
            ray.kill(member.actor)

    def dismiss_all(self) -> None:
        for member in [*self.members]:
            self.dismiss(member)

    def dismiss_idle(self) -> None:
        """Who has had nothing to do for long: the cluster is others', too."""
        waiting = any(member.greeting is None for member in self.members)
        patience = COMING_SECONDS if waiting else FREE_SECONDS
        for member in self.free():
            if time.monotonic() - member.free_since > patience:
                self.dismiss(member)

    def _greeted(self, member: Member, greeting: Any) -> None:
        member.greeting, member.free_since = greeting, time.monotonic()
        self._look(member)
        self._owner.arrived(member)

    def _look(self, member: Member) -> None:
        """At all times, so that the end of an actor is noticed, whatever it does."""
        seconds = max(LOOK_SECONDS, len(self.members) / LOOKS)
        look = member.actor.look.options(concurrency_group="control").remote(seconds)
        self._when(member, look, self._looked)

    def _looked(self, member: Member, look: Look) -> None:
        self._owner.looked(member, look)
        if not member.gone:
            self._look(member)

    def _when(self, member: Member, ref: Any, then: Callable[[Member, Any], None]) -> None:
        """Once Ray has what was asked of the actor, in the owner's thread."""

        def heard(future: Future[Any]) -> None:
            self._owner.post(partial(self._heard, member, future, then))

        ref.future().add_done_callback(heard)

    def _heard(
        self, member: Member, future: Future[Any], then: Callable[[Member, Any], None]
    ) -> None:
        if member.gone:
            return
        if error := future.exception():
            self._owner.failed(member, error)
        else:
            then(member, future.result())


def kind(request: Request) -> Kind:
    """Requests as keys."""
    return tuple(sorted(request.items()))
