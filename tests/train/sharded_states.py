"""Saves a state that lies on a mesh, takes it up on another one, and prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import numpy as np

from scaling.grid import Devices
from scaling.train import checkpoint_sharded, mesh


def main(folder: Path) -> None:
    rng = np.random.default_rng(0)
    state = {"matrix": rng.standard_normal((64, 48), np.float32), "step": np.int32(3)}
    with mesh.over(Devices(data=2, fsdp=4)):
        checkpoint_sharded.save(folder / "16", mesh.by_parameter(state))
    with mesh.over(Devices(data=1, fsdp=2)):
        like = mesh.by_parameter(jax.tree.map(np.zeros_like, state))
        found = checkpoint_sharded.load(folder / "16", like)
        fewer = checkpoint_sharded.load(folder / "16", {"matrix": like["matrix"]})
    told = {
        "same": all(np.array_equal(found[name], state[name]) for name in state),
        "parts": len(found["matrix"].sharding.device_set),
        "fewer leaves": fewer,
        "missing": checkpoint_sharded.load(folder / "32", like),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
