"""How a job that was asked to stop goes back into the queue, whatever SLURM answers meanwhile."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from scaling.sweep.executors import slurm_commands, slurm_job
from scaling.train.stopping import Stopped


def stop() -> None:
    raise Stopped("signal SIGUSR2", True)


@pytest.mark.parametrize(
    ("states", "accepts", "asked", "told"),
    [
        (["RUNNING"], [True], 1, False),
        (["SIGNALING"], [True], 1, False),  # its signal is still on its way to other nodes
        ([None, "RUNNING"], [True], 1, False),  # SLURM was too busy to answer
        (["RUNNING", "RUNNING"], [False, True], 2, False),
        (["RUNNING", "COMPLETING"], [False], 1, False),  # it was queued, though the answer was lost
        (["COMPLETING"], [], 0, False),  # SLURM has begun itself: it must not be queued twice
        (["RUNNING"] * 5, [False] * 5, 5, True),
        ([None] * 5, [], 0, True),
    ],
)
def test_a_stopped_job_is_queued_again_or_tells(
    states: list[str | None],
    accepts: list[bool],
    asked: int,
    told: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers, accepted, requests = iter(states), iter(accepts), []

    def facts(number: str) -> dict[str, str]:
        state = next(answers)
        return {} if state is None else {"JobState": state}

    def requeue(number: str) -> bool:
        requests.append(number)
        return next(accepted)

    monkeypatch.setattr(slurm_commands, "facts", facts)
    monkeypatch.setattr(slurm_commands, "requeue", requeue)
    monkeypatch.setattr(slurm_job, "join", lambda: True)
    monkeypatch.setattr(slurm_job, "_BETWEEN_SECONDS", 0.0)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    (tmp_path / slurm_job.OUTCOMES).mkdir()
    ticket = slurm_job.Ticket("key", tmp_path, {}, (), requeues=3)
    slurm_job.perform(ticket, pickle.dumps((stop, ())))
    assert requests == ["7"] * asked
    assert next(answers, "all") == "all"
    assert slurm_job.left(tmp_path) == ({"key"} if told else set())
    if told:
        kind, why = slurm_job.take(tmp_path, "key")
        assert (kind, why) == ("stopped", "signal SIGUSR2, and SLURM doesn't queue the job again")
