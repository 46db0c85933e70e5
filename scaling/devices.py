"""The machine's kind of device, found without JAX: a plan must know it before anything starts."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Platform = Literal["cpu", "gpu", "tpu"]
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
    if any(Path(file).exists() and find_spec(plugin) for file, plugin in _GPU):
        return "gpu"
    if find_spec("libtpu") and (Path("/dev/accel0").exists() or Path("/dev/vfio/0").exists()):
        return "tpu"
    return "cpu"
