"""The kinds of device: which one is here, found without JAX, what the usual ones can do, and what
an hour of them costs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from scaling.errors import InputError

Platform = Literal["cpu", "gpu", "tpu"]
Precision = Literal["float32", "bfloat16", "float16"]
_NAMES: dict[str, Platform] = {
    "cpu": "cpu", "cuda": "gpu", "rocm": "gpu", "gpu": "gpu", "tpu": "tpu",
}  # fmt: skip
# A device file and the plugin that would use it.
_GPU = (("/dev/nvidiactl", "jax_cuda12_plugin"), ("/dev/nvidiactl", "jax_cuda13_plugin"),
        ("/dev/kfd", "jax_rocm7_plugin"), ("/dev/kfd", "jax_rocm60_plugin"))  # fmt: skip


def platform() -> Platform:
    """Where JAX will run here: what JAX_PLATFORMS says first, else what is there to be used."""
    if asked := os.environ.get("JAX_PLATFORMS", "").split(",")[0].strip():
        return _NAMES.get(asked, "gpu")
    return _there()


@cache
def _there() -> Platform:
    if any(Path(file).exists() and find_spec(plugin) for file, plugin in _GPU):
        return "gpu"
    if find_spec("libtpu") and (Path("/dev/accel0").exists() or Path("/dev/vfio/0").exists()):
        return "tpu"
    return "cpu"


def local_gpus() -> list[str]:
    """The GPUs of this machine that JAX can use, by the names that CUDA_VISIBLE_DEVICES takes."""
    if platform() != "gpu":
        return []
    if (given := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    found = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
    return sorted(found, key=int)


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def granted_cores(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Cores' worth of time that this process's control group (of version 2) and those above it
    grant; None where none says."""
    try:
        (path,) = re.findall(r"^0::/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return None
    folder, found = root / path, []
    for place in (folder, *folder.parents):
        if not place.is_relative_to(root):
            break
        try:
            quota, period = (place / "cpu.max").read_text().split()
            found.append(int(quota) / int(period))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(found, default=None)


def usual_precision(on: Platform) -> Precision:
    """What products are computed in where a recipe leaves it open."""
    return "float32" if on == "cpu" else "bfloat16"


@dataclass(frozen=True)
class Device:
    """One accelerator, as its maker states it: dense FLOP/s of matrix products by precision (None:
    it has none), bytes of memory (1 GB is 10^9), bytes a second to and from it, and the most
    watts it draws (thermal design power; None: not published).

    float32 is what XLA makes of float32 products by default: TensorFloat-32 on NVIDIA's devices
    since Ampere, single bfloat16 passes on a TPU. kinds: what JAX calls it (`device_kind`).
    """

    name: str
    platform: Platform
    bfloat16: float | None
    float16: float | None
    float32: float
    memory_bytes: float
    bandwidth: float
    watts: float | None
    kinds: tuple[str, ...]
    source: str

    def peak(self, precision: Precision) -> float:
        """FLOP/s of products in this precision. Raises InputError where the device has none."""
        rates = {"float32": self.float32, "bfloat16": self.bfloat16, "float16": self.float16}
        found = rates[precision]
        if found is None:
            valid = ", ".join(name for name, rate in rates.items() if rate)
            raise InputError(f"{self.name} has no {precision}; valid: {valid}")
        return found


# Of a device's peak, where nothing was measured: large models reach 0.3 to 0.6 on accelerators
# (Chowdhery et al. 2022, arXiv:2204.02311, table 3), Llama 3 405B 0.38 to 0.43 on 8,000 to 16,000
# H100 (arXiv:2407.21783, table 4); small ones reach less.
ASSUMED_MFU = 0.4

_T, _GB = 1e12, 1e9
_TPU = "Google Cloud TPU documentation, system architecture"
CATALOGUE = (
    Device("H100-SXM", "gpu", 989.4 * _T, 989.4 * _T, 494.7 * _T, 80 * _GB, 3.35 * _T, 700,
           ("NVIDIA H100 80GB HBM3",), "NVIDIA H100 datasheet; half of its rates with sparsity"),
    Device("H100-PCIe", "gpu", 756 * _T, 756 * _T, 378 * _T, 80 * _GB, 2 * _T, 350,
           ("NVIDIA H100 PCIe",), "NVIDIA H100 PCIe datasheet; half of its rates with sparsity"),
    Device("H200", "gpu", 989.4 * _T, 989.4 * _T, 494.7 * _T, 141 * _GB, 4.8 * _T, 700,
           ("NVIDIA H200",), "NVIDIA H200 datasheet; half of its rates with sparsity"),
    Device("B200", "gpu", 2250 * _T, 2250 * _T, 1100 * _T, 180 * _GB, 8 * _T, 1000,
           ("NVIDIA B200",), "NVIDIA Blackwell architecture brief, HGX B200; without sparsity"),
    Device("A100-40GB", "gpu", 312 * _T, 312 * _T, 156 * _T, 40 * _GB, 1.555 * _T, 400,
           ("NVIDIA A100-SXM4-40GB", "NVIDIA A100-PCIE-40GB"), "NVIDIA A100 datasheet"),
    Device("A100-80GB", "gpu", 312 * _T, 312 * _T, 156 * _T, 80 * _GB, 2.039 * _T, 400,
           ("NVIDIA A100-SXM4-80GB",), "NVIDIA A100 datasheet, SXM"),
    Device("L4", "gpu", 121 * _T, 121 * _T, 60 * _T, 24 * _GB, 0.3 * _T, 72,
           ("NVIDIA L4",), "NVIDIA L4 datasheet; half of its rates with sparsity"),
    Device("T4", "gpu", None, 65 * _T, 8.1 * _T, 16 * _GB, 0.32 * _T, 70,
           ("Tesla T4",), "NVIDIA T4 datasheet"),
    Device("V100", "gpu", None, 125 * _T, 15.7 * _T, 32 * _GB, 0.9 * _T, 300,
           ("Tesla V100-SXM2-32GB", "Tesla V100-SXM2-16GB"), "NVIDIA V100 datasheet, SXM2 32 GB"),
    Device("RTX-4090", "gpu", 165.2 * _T, 165.2 * _T, 82.6 * _T, 24 * _GB, 1.008 * _T, 450,
           ("NVIDIA GeForce RTX 4090",),
           "NVIDIA Ada architecture whitepaper; products accumulated in float32"),
    Device("MI300X", "gpu", 1307.4 * _T, 1307.4 * _T, 163.4 * _T, 192 * _GB, 5.3 * _T, 750,
           ("AMD Instinct MI300X",), "AMD Instinct MI300X datasheet, matrix products"),
    Device("TPU-v4", "tpu", 275 * _T, None, 275 * _T, 32 * _GB, 1.2 * _T, 192, ("TPU v4",), _TPU),
    Device("TPU-v5e", "tpu", 197 * _T, None, 197 * _T, 16 * _GB, 0.819 * _T, None,
           ("TPU v5 lite", "TPU v5e"), _TPU),
    Device("TPU-v5p", "tpu", 459 * _T, None, 459 * _T, 95 * _GB, 2.765 * _T, None,
           ("TPU v5", "TPU v5p"), _TPU),
    Device("TPU-v6e", "tpu", 918 * _T, None, 918 * _T, 32 * _GB, 1.64 * _T, None,
           ("TPU v6 lite", "TPU v6e"), _TPU),
)  # fmt: skip


@dataclass(frozen=True)
class Price:
    """Dollars for an hour of one device, as a cloud lists them: where, and in which month."""

    dollars: float
    source: str
    month: str

    def __str__(self) -> str:
        return f"${self.dollars:,.2f} a device-hour ({self.source}, {self.month})"


def _rented(dollars: float, instance: str, count: int) -> Price:
    return Price(dollars / count, f"Amazon EC2 {instance} on demand, us-east-1", "2026-08")


def _chip(dollars: float) -> Price:
    return Price(dollars, "Google Cloud TPU on demand, a chip-hour, US regions", "2025-09")


# By a device's name; those that no large cloud lists are missing. Prices fall, and who reserves or
# is preempted pays less: they are a first assumption, to be replaced by one's own.
PRICES = {
    "H100-SXM": _rented(55.04, "p5.48xlarge", 8),
    "H200": _rented(63.296, "p5en.48xlarge", 8),
    "B200": _rented(113.9328, "p6-b200.48xlarge", 8),
    "A100-40GB": _rented(21.957642, "p4d.24xlarge", 8),
    "A100-80GB": _rented(27.44705, "p4de.24xlarge", 8),
    "L4": _rented(0.8048, "g6.xlarge", 1),
    "T4": _rented(0.526, "g4dn.xlarge", 1),
    "V100": _rented(3.06, "p3.2xlarge", 1),
    "TPU-v4": _chip(3.22),
    "TPU-v5e": _chip(1.20),
    "TPU-v5p": _chip(4.20),
    "TPU-v6e": _chip(2.70),
}


def device(name: str) -> Device:
    """A device of the catalogue. Raises InputError naming the nearest, and all there are."""
    known = {_plain(d.name): d for d in CATALOGUE}
    if found := known.get(_plain(name)):
        return found
    begun = [n for n in known if n.startswith(_plain(name))]
    near = begun or get_close_matches(_plain(name), known, 3, 0.4)
    hint = f"nearest: {', '.join(known[n].name for n in near)}; " if near else ""
    raise InputError(
        f"unknown device {name!r}; {hint}valid: {', '.join(d.name for d in CATALOGUE)}"
    )


def of_kind(kind: str) -> Device | None:
    """The device that JAX calls by this `device_kind`; None where the catalogue has none."""
    return next((d for d in CATALOGUE if kind in d.kinds), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
