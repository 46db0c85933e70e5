"""The chunk that trains, compiled for abstract data: what it holds and what it computes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from scaling.families import get
from scaling.grid import CHUNK_STEPS, Recipe
from scaling.train.step import Program

ITEMS = 512  # on the device


def compiled(family: str, shape: Any, batch: int, **recipe: Any) -> tuple[Any, int]:
    """The chunk's executable, and the bytes of the items it reads from."""
    unit = get(family).UNIT
    own = "batch_tokens" if unit == "token" else "batch_images"
    program = Program(family, shape, Recipe(**{own: batch}, **recipe))
    state = jax.eval_shape(program.init, jax.random.key(0))
    items = _items(shape, unit)
    picks = jax.ShapeDtypeStruct((CHUNK_STEPS, batch // shape.units), jnp.int32)
    rates = jax.ShapeDtypeStruct((CHUNK_STEPS,), jnp.float32)
    noise = jax.ShapeDtypeStruct((CHUNK_STEPS,), jnp.uint32)
    lowered = program.chunk.lower(state, items, picks, rates, noise)
    return lowered.compile(), sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(items))


def held_bytes(family: str, shape: Any, batch: int, **recipe: Any) -> int:
    """What the chunk holds at its peak, the items it reads from left out."""
    executable, items = compiled(family, shape, batch, **recipe)
    memory = executable.memory_analysis()
    return int(
        memory.temp_size_in_bytes
        + memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes  # donated: the new state takes the old one's place
        - items
    )


def _items(shape: Any, unit: str) -> Any:
    def array(dtype: Any, *sizes: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sizes, dtype)

    if unit == "token":
        return array(jnp.uint8, 8 * ITEMS)
    side, channels = shape.image, shape.channels
    images = {
        "images": array(jnp.uint8, ITEMS, side, side, channels),
        "mean": array(jnp.float32, channels),
        "std": array(jnp.float32, channels),
    }
    if unit == "image":
        return images | {"labels": array(jnp.int32, ITEMS)}
    return images | {
        "groups": array(jnp.int32, ITEMS),
        "rows": array(jnp.int32, ITEMS),
        "captions": array(jnp.int32, ITEMS, shape.context),
        "prompts": array(jnp.int32, 4, 1, shape.context),
    }
