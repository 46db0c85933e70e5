"""What a machine has for workers, and who holds it: cores and GPUs. The local executor's."""

from __future__ import annotations

from collections.abc import Sequence

from scaling.devices import cores
from scaling.errors import InputError
from scaling.sweep.executors.contract import Needs


class Place:
    """What a worker holds: cores and GPUs, by their numbers."""

    def __init__(self, cores: Sequence[int], gpus: Sequence[str], memory_share: float) -> None:
        self.cores, self.gpus, self.memory_share = tuple(cores), tuple(gpus), memory_share

    def environment(self) -> dict[str, str]:
        """What JAX must be told before it starts."""
        if not self.gpus:
            return {}
        told = {"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)}
        if self.memory_share < 1:
            told["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 * self.memory_share:.3f}"
        return told


class Room:
    """The cores and GPUs of this machine, as far as workers may have them.

    cores_each: None for one; beside GPUs for an even share of all, as programs for a GPU are
    compiled by all cores that there are, and a core that waits for one is of no other use.
    """

    def __init__(
        self, workers: int | None, cores_each: int | None, gpus: Sequence[str], per_gpu: int
    ) -> None:
        mine = cores()
        self.gpus = list(gpus)
        self.free_gpus = [gpu for _ in range(per_gpu) for gpu in gpus]
        self.per_gpu, self.held = per_gpu, 0
        most = len(self.free_gpus) if gpus else max(1, len(mine) // (cores_each or 1))
        self.slots = min(workers, len(self.free_gpus)) if workers and gpus else workers or most
        cores_each = cores_each or (max(1, len(mine) // self.slots) if gpus else 1)
        turns = [mine[(i * cores_each + k) % len(mine)] for i in range(self.slots)
                 for k in range(min(cores_each, len(mine)))]  # fmt: skip
        width = len(turns) // self.slots
        self.free_cores = [turns[i : i + width] for i in range(0, len(turns), width)]

    def devices(self, needs: Needs) -> int:
        return needs.devices if self.gpus else 0  # a CPU's devices are simulated

    def check(self, needs: Needs) -> None:
        if needs.processes > 1:
            raise InputError(
                f"executor local: a cell takes {needs.processes} hosts; on one machine one process "
                "drives all devices: leave [devices] hosts out, or use slurm or ray"
            )
        if self.gpus and needs.devices > len(self.gpus):
            raise InputError(
                f"executor local: a cell takes {needs.devices} devices, and this machine has "
                f"{len(self.gpus)} GPUs to use"
            )

    def take(self, gpus: int) -> Place | None:
        """So many different GPUs (none on a CPU) and the cores that go with them, if there."""
        free = list(dict.fromkeys(self.free_gpus))[:gpus]
        if not self.free_cores or len(free) < gpus:
            return None
        for gpu in free:
            self.free_gpus.remove(gpu)
        return Place(self.free_cores.pop(0), free, 1 / self.per_gpu)

    def give_back(self, place: Place) -> None:
        self.free_cores.insert(0, list(place.cores))
        self.free_gpus[:0] = place.gpus
