"""How calls become jobs: scripts and pickles that submitit writes, in arrays as large as the site
allows."""

from __future__ import annotations

import io
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from scaling.data.cache import cache_folder
from scaling.data.extras import needed
from scaling.errors import InputError
from scaling.sweep.executors import slurm_commands, slurm_job
from scaling.sweep.executors.contract import Call, Needs
from scaling.sweep.executors.slurm_watch import Job

if TYPE_CHECKING:
    from scaling.sweep.executors.slurm import Settings

NAME_LENGTH = 80
# For so long a study that runs already waits for a controller that doesn't answer.
PATIENCE_SECONDS = 600.0
BUSY = re.compile("unable to contact|timed out|temporarily|try again|connection refused", re.I)
# The site allows so many jobs of one user or account: there will be room.
FULL = re.compile("submit ?(job)? ?limit|MaxSubmitJob", re.I)
# Of a job's own environment, where this is run inside of one: it would speak of the wrong job.
FOREIGN = ("SLURM_", "SLURMD_", "SRUN_", "SUBMITIT_", "PMI")
KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")


class Submitter:
    """Submits calls, all with the same settings.

    Calls and outcomes are pickled, so their folder is the user's alone, and none of it comes from
    a study.
    """

    def __init__(self, settings: Settings, at_once: int | None) -> None:
        what = "executor slurm needs submitit"
        self._submitit = needed("submitit", what, "slurm")
        self._cloudpickle = needed("cloudpickle", what, "slurm")
        self.settings, self.at_once = settings, at_once
        self.folder = _private(settings.folder or cache_folder() / "slurm")
        self.logs = self.folder / "jobs"
        self._executor = self._submitit.SlurmExecutor(self.logs)
        site = slurm_commands.largest_array()
        self.largest = min(site, settings.array or site)  # calls of one array
        self._count = 0
        self._last = ""  # the array submitted last
        self._answered = -math.inf  # when SLURM last took one

    def submit(self, calls: Sequence[Call]) -> list[Job] | None:
        """One array, all of whose calls need the same; None where SLURM doesn't answer now.

        Raises InputError where it refuses them, and where it has not answered for long, or never.
        """
        keys = [str(self._count + place) for place in range(len(calls))]
        path = tuple(str(Path(each).absolute()) for each in sys.path)
        known = self.folder, self._environment(), path, self.settings.requeues
        tickets = [slurm_job.Ticket(key, *known) for key in keys]
        pickles = [self._cloudpickle.dumps((call.fn, call.args)) for call in calls]
        self._executor.parameters.clear()
        self._executor.update_parameters(**self._parameters(calls))
        try:
            with redirect_stderr(io.StringIO()), self._as_a_user(), self._executor.batch():
                jobs = [
                    self._executor.submit(slurm_job.perform, ticket, pickled)
                    for ticket, pickled in zip(tickets, pickles, strict=True)
                ]
        except self._submitit.core.utils.FailedJobError as error:
            told = slurm_commands.message(str(error))
            short = PATIENCE_SECONDS if BUSY.search(told) else 0.0
            if time.monotonic() - self._answered < (math.inf if FULL.search(told) else short):
                return None
            raise InputError(self._refusal(told, calls[0].needs)) from None
        except OSError as error:
            raise InputError(f"executor slurm: {self.folder}: {error.strerror}") from None
        self._answered = time.monotonic()
        self._count += len(calls)
        self._last = jobs[0].job_id.partition("_")[0]
        return [Job(key, job.job_id) for key, job in zip(keys, jobs, strict=True)]

    def tidy(self) -> None:
        """Remove the folder: all went well, and nobody will read the logs."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        """As many threads as cores: not every site keeps a job to those that it was given."""
        if self.settings.platform == "gpu":
            return {}
        return {"JAX_PLATFORMS": "cpu", "NPROC": str(self.settings.cpus)}

    def _gpus(self, needs: Needs) -> int:
        return max(self.settings.gpus, needs.devices) if self.settings.gpus else 0

    def _parameters(self, calls: Sequence[Call]) -> dict[str, Any]:
        asked, needs = self.settings, calls[0].needs
        srun = ["--kill-on-bad-exit=1", f"--cpus-per-task={asked.cpus}", *asked.srun]
        more: dict[str, Any] = {"requeue" if asked.requeues else "no-requeue": True}
        if asked.memory_gb:
            more["mem"] = f"{round(asked.memory_gb * 1000**3 / 2**20)}M"
        given = {
            "partition": asked.partition,
            "account": asked.account,
            "qos": asked.qos,
            "constraint": asked.constraint,
            "exclude": asked.exclude,
            "gpus_per_node": self._gpus(needs) or None,
            # Those that may run at once are counted within an array: one array after another.
            "dependency": f"afterany:{self._last}" if self.at_once and self._last else None,
        }
        return {
            "job_name": _name(calls),
            "time": asked.time,
            "signal_delay_s": asked.warn_seconds,
            "nodes": needs.processes,
            "ntasks_per_node": 1,
            "cpus_per_task": asked.cpus,
            "array_parallelism": self.at_once or len(calls),
            "additional_parameters": more,
            "srun_args": srun,
            "wckey": None,
            **{key: value for key, value in given.items() if value is not None},
        }

    def _refusal(self, told: str, needs: Needs) -> str:
        asked = self.settings
        where = f"partition {asked.partition!r}" if asked.partition else "the default partition"
        hint = "; `queued` sets how many may wait and run at a time" if FULL.search(told) else ""
        if gpus := self._gpus(needs):
            has = slurm_commands.generic_resources(asked.partition)
            hint += f"; {gpus} GPUs a process are asked of {where}"
            hint += f", whose nodes have {has}" if "gpu" in has else ", which has none"
        return f"executor slurm: SLURM refuses the jobs: {told}{hint}"

    @contextmanager
    def _as_a_user(self) -> Iterator[None]:
        """Without the variables of a job that this may run in, nor those that go before what a job
        script says and would contradict the settings."""
        said = {f"SBATCH_{key.upper()}" for key in ("partition", "account", "qos", "constraint")
                if getattr(self.settings, key)} | {"SBATCH_TIMELIMIT"}  # fmt: skip
        hidden = {
            name: value
            for name, value in os.environ.items()
            if name in said or (name.startswith(FOREIGN) and name not in KEPT)
        }
        for name in hidden:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(hidden)


def same_shape(one: Needs, other: Needs) -> bool:
    """Whether jobs of these may be of one array."""
    return (one.processes, one.devices) == (other.processes, other.devices)


def _name(calls: Sequence[Call]) -> str:
    """The first call's label, with all that could mean something to a shell or to SLURM escaped."""
    name = quote(calls[0].label or "scaling", safe=" =,:@+/")[:NAME_LENGTH]
    return f"{name} and {len(calls) - 1} more" if len(calls) > 1 else name


def _private(base: Path) -> Path:
    """A new folder of the user's alone. Raises InputError for a path that SLURM would read
    something into."""
    base = base.absolute()
    if odd := re.findall(r"[^\w ./@:+,=~-]", str(base)):
        raise InputError(
            f"executor slurm: folder {str(base)!r} has {odd[0]!r} in it, which SLURM may take for "
            "something else; give another by `folder`"
        )
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=base))
        (made / slurm_job.OUTCOMES).mkdir()
    except OSError as error:
        raise InputError(f"executor slurm: {base}: {error.strerror}") from None
    return made
