"""Prints what a chunk of a language model holds on one device of a mesh, and what is predicted.

python spread_memory.py DATA FSDP   (a process of its own, as spread_runs.py)
"""

from __future__ import annotations

import json
import sys

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding

from scaling.families.memory import Use
from scaling.families.transformer import NAME, from_dials
from scaling.grid import CHUNK_STEPS, Devices, Recipe
from scaling.models import spread
from scaling.train import mesh
from scaling.train.step import Program

BATCH, TOKENS = 4096, 4096


def main(devices: Devices) -> None:
    shape = from_dials(width=96, depth=3, vocab=96, context=32)

    def array(dtype: type, *sizes: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sizes, dtype)

    with mesh.over(devices):
        program = Program(NAME, shape, Recipe(batch_tokens=BATCH))

        def lies(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            where = spread.of_parameter(leaf.shape, devices.fsdp)
            sharding = NamedSharding(jax.sharding.get_mesh(), where)
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

        state = jax.tree.map(lies, jax.eval_shape(program.init, jax.random.key(0)))
        picks = array(jnp.int32, CHUNK_STEPS, BATCH // shape.context)
        rates, noise = array(jnp.float32, CHUNK_STEPS), array(jnp.uint32, CHUNK_STEPS)
        chunk = program.chunk.lower(state, array(jnp.uint8, TOKENS), picks, rates, noise).compile()
    memory = chunk.memory_analysis()
    held = memory.temp_size_in_bytes + memory.argument_size_in_bytes - TOKENS
    held += memory.output_size_in_bytes - memory.alias_size_in_bytes
    told = {
        "held": held,
        "predicted": shape.memory_bytes(BATCH, Use(data=devices.data, fsdp=devices.fsdp)),
        "alone": shape.memory_bytes(BATCH, Use()),
        "gathers": chunk.as_text().count(" all-gather("),
        "exchanges": chunk.as_text().count(" all-to-all("),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Devices(data=int(sys.argv[1]), fsdp=int(sys.argv[2])))
