"""What a step tells of the model's parts: gradients, updates and activations by block.

A block is a part of the parameter tree: one of its top-level keys, or of the keys of a container
(an encoder of numbered blocks). A norm belongs to the block that it leads into or out of. Blocks
stacked in one loop count one by one, `stage_1_stack/0`, `stage_1_stack/1`, ...
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from scaling.models.tell import tell

Array = jax.Array
Path = tuple[str, ...]
CONTAINERS = ("encoder", "unimodal", "multimodal")
STACK, STACKED = "_stack", "block"  # a loop's name ends so, and its body is called so
# attention_norm_3 -> attention_3, norm_3 -> convolution_3
_NORMS = (
    (re.compile(r"(\w+)_norm_(\d+)"), r"\1_\2"),
    (re.compile(r"norm_(\w+)"), r"convolution_\1"),
)
_RMS = "activation_rms"


class Blocks:
    """The blocks of one model, from its parameters in the order of their making.

    params: a tree whose dictionaries keep that order (as a Flax module's `init` returns it, before
    any transformation sorts its keys).
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._paths: dict[Path, list[Path]] = {}  # of each block, where its parameters lie
        self._stacked: dict[Path, int] = {}  # of a stack, its number of blocks
        parts: list[Path] = [
            path
            for key, value in params.items()
            for path in ([(key, inner) for inner in value] if key in CONTAINERS else [(key,)])
        ]
        for path in parts:
            block = _of_norm(path, parts)
            self._paths.setdefault(block, []).append(path)
            if path[-1].endswith(STACK):
                self._stacked[path] = jax.tree.leaves(_at(params, path))[0].shape[0]
        names: list[str] = []
        for block in self._paths:
            name, count = "/".join(block), self._stacked.get(block)
            names += [name] if count is None else [f"{name}/{n}" for n in range(count)]
        self.names = tuple(names)

    def norms(self, tree: Any) -> Array:
        """The norm of each block's leaves [blocks]."""
        sums = []
        for block, paths in self._paths.items():
            leaves = [leaf for path in paths for leaf in jax.tree.leaves(_at(tree, path))]
            if block in self._stacked:
                squares = [jnp.square(leaf).reshape(leaf.shape[0], -1).sum(1) for leaf in leaves]
                sums.append(sum(squares[1:], start=squares[0]))
            else:
                squares = [jnp.square(leaf).sum() for leaf in leaves]
                sums.append(sum(squares[1:], start=squares[0])[None])
        return jnp.sqrt(jnp.concatenate(sums))

    def intercept(self, call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        """For `flax.linen.intercept_methods`: blocks sow the root mean square of their output."""
        out = call(*args, **kwargs)
        path = context.module.path
        here = path in self._paths or (path[:-1] in self._stacked and path[-1] == STACKED)
        if here and path not in self._stacked and context.method_name == "__call__":
            # As a product: XLA's CPU compiler adds up a reduction's terms one after another.
            flat = out.astype(jnp.float32).ravel()
            tell(context.module, _RMS, jnp.sqrt(jnp.vdot(flat, flat) / flat.size))
        return out

    def activations(self, told: Mapping[str, Any]) -> tuple[Array, Array]:
        """Of what was sown: the root mean squares [blocks], NaN where untold; the largest logit."""
        found: list[Array] = []
        for block in self._paths:
            count = self._stacked.get(block)
            inside = _at(told, block if count is None else (*block, STACKED))
            rms = inside.get(_RMS) if isinstance(inside, Mapping) else None
            untold = jnp.full(count or 1, jnp.nan)
            found.append(untold if rms is None else jnp.reshape(rms, count or 1))
        logits = [
            jnp.max(leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(told)
            if path[-1].key == "attention_logit"
        ]
        largest = jnp.stack(logits).max() if logits else jnp.float32(jnp.nan)
        return jnp.concatenate(found), largest


def _of_norm(path: Path, parts: list[Path]) -> Path:
    """The block that a norm belongs to; any other part is its own."""
    for pattern, leads_to in _NORMS:
        if match := pattern.fullmatch(path[-1]):
            other = (*path[:-1], match.expand(leads_to))
            if other in parts:
                return other
    return path


def _at(tree: Any, path: Path) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
