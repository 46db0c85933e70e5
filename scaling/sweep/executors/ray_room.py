"""What calls ask of a Ray cluster by its settings, and what it has: checked before anything is
asked for, since Ray waits for ever, in silence, for what isn't there.

Resources are as Ray names them: CPU, GPU, memory (bytes), and a cluster's own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from scaling.devices import Platform
from scaling.errors import InputError
from scaling.sweep.executors.contract import Needs, Options

Request = Mapping[str, float]
# How the processes of one call lie on nodes, as Ray has it: together or apart, if they can or must.
Placement = Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"]
_FINE = 1e-6  # Ray counts in ten-thousandths


def _address(given: str | None) -> str | None:
    if given not in (None, "auto"):
        host, _, port = given.rpartition(":")
        if not host or not port.isdigit() or "/" in given:
            raise ValueError('must be "auto" or HOST:PORT (without it, a Ray of our own starts)')
    return given


class Settings(Options):
    """address: of a cluster that this machine is a node of, "auto" or HOST:PORT.

    Of each process: cpus; gpus, for each of its devices (a fraction shares one among cells);
    memory_gb; resources, a cluster's own by name; env_vars, set before JAX starts. placement: how
    the processes of one cell lie on nodes.
    """

    address: Annotated[str | None, AfterValidator(_address)] = None
    cpus: float = Field(1.0, gt=0)
    gpus: float = Field(0.0, ge=0)
    memory_gb: float | None = Field(None, gt=0)
    resources: dict[str, float] = Field(default_factory=dict)
    env_vars: dict[str, str] = Field(default_factory=dict)
    placement: Placement = "PACK"

    @property
    def platform(self) -> Platform:
        return "gpu" if self.gpus else "tpu" if "TPU" in self.resources else "cpu"

    @property
    def elsewhere(self) -> bool:
        """Where it is not a Ray of our own."""
        return self.address is not None

    def request(self, needs: Needs) -> Request:
        """What each process of such a call takes; simulated devices of a CPU take nothing."""
        gpus = self.gpus * needs.devices
        if gpus > 1 and gpus % 1:
            raise InputError(
                f"executor ray: gpus = {self.gpus:g} for each of {needs.devices} devices are "
                f"{gpus:g}; valid: whole numbers, or one device with a fraction"
            )
        asked = {
            "CPU": self.cpus,
            "GPU": gpus,
            "memory": 1e9 * (self.memory_gb or 0),
            **self.resources,
        }
        return {name: amount for name, amount in asked.items() if amount}

    def environment(self) -> dict[str, str]:
        """Of each process. A worker's share of a CPU is its share of threads, too, and of a GPU
        its share of memory."""
        told = {}
        if self.platform == "cpu":
            told = {"JAX_PLATFORMS": "cpu", "NPROC": f"{max(1, int(self.cpus))}"}
        elif 0 < self.gpus < 1:
            told = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 * self.gpus:.3f}"}
        return told | self.env_vars


def nodes() -> list[Request]:
    """What each living node of the cluster has in all."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def times(request: Request, node: Request) -> int:
    """How often the request fits on a node that has nothing else to do."""
    shares = [node.get(name, 0.0) / amount for name, amount in request.items()]
    return math.floor(min(shares, default=0.0) + _FINE)


def enough(has: float, amount: float) -> bool:
    """As Ray counts, who has fractions."""
    return has >= amount - _FINE


def check(request: Request, processes: int, placement: Placement, there: Sequence[Request]) -> None:
    """Raises InputError where a call of so many processes can never start."""
    fit = [times(request, node) for node in there]
    if processes == 1 or placement == "STRICT_PACK":
        found = max(fit, default=0)
    elif placement == "STRICT_SPREAD":
        found = sum(times > 0 for times in fit)
    else:
        found = sum(fit)
    if found >= processes:
        return
    has = total(there)
    asked = _told(request) + (f" in each of {processes} processes" if processes > 1 else "")
    where = f", placement {placement}," if processes > 1 else ""
    lacking = [name for name in request if not has[name]]
    raise InputError(
        f"executor ray: a call asks for {asked}{where} and the cluster has "
        f"{_told({name: has[name] for name in request})} on {len(there)} "
        f"node{'s' * (len(there) != 1)}"
        + (": no " + ", no ".join(lacking) if lacking else "")
        + "; cpus, gpus (of each device), memory and resources say what a process takes"
    )


def total(requests: Sequence[Request]) -> dict[str, float]:
    """The sum; of what none of them has, 0."""
    summed: dict[str, float] = defaultdict(float)
    for request in requests:
        for name, amount in request.items():
            summed[name] += amount
    return summed


def options(request: Request) -> dict[str, Any]:
    """The request as Ray's options of an actor."""
    own = {name: n for name, n in request.items() if name not in ("CPU", "GPU", "memory")}
    return {
        "num_cpus": request.get("CPU", 0),
        "num_gpus": request.get("GPU", 0),
        "memory": int(request.get("memory", 0)) or None,
        "resources": own or None,
    }


def _told(resources: Request) -> str:
    return ", ".join(
        f"{amount / 1e9:.3g} GB of memory" if name == "memory" else f"{amount:g} {name}"
        for name, amount in resources.items()
    )
