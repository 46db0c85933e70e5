"""What a run tells of itself while it trains, chunk by chunk. No JAX: diagnosis reads it too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float32]
MEANS = ("loss", "grad_norm", "learning_rate")  # of a chunk's steps, in a curve


@dataclass(frozen=True)
class Chunk:
    """The steps of one compiled chunk. Arrays over steps are [steps], over blocks [blocks].

    Blocks are the model's parts in the order in which the data pass them; what is measured of each
    block is of the chunk's last step.
    """

    first_step: int
    loss: Floats  # [steps]
    grad_norm: Floats  # [steps], before clipping
    learning_rate: Floats  # [steps]
    skipped: NDArray[np.bool_]  # [steps], steps that were not taken
    nonfinite: NDArray[np.int32]  # [steps], blocks whose gradient is not finite
    grad_by_block: Floats  # [blocks], norm of the gradient by each block's parameters
    update_by_block: Floats  # [blocks], norm of the chunk's movement over that of the weights
    activation_by_block: Floats  # [blocks], root mean square of each block's output; NaN: untold
    attention_logit: float  # largest score of any head, NaN without attention
    loss_scale: float = 1.0  # after the chunk; 1 where losses are not scaled
    seconds: float = 0.0  # since the chunk before was read
    waited: float = 0.0  # of which for data

    @property
    def sound(self) -> NDArray[np.bool_]:
        """[steps], those that were taken on numbers that are finite."""
        finite = np.isfinite(self.loss) & np.isfinite(self.grad_norm) & (self.nonfinite == 0)
        sound: NDArray[np.bool_] = finite & ~self.skipped
        return sound

    @property
    def last_step(self) -> int:
        """Steps that were done with the chunk's last one."""
        return self.first_step + len(self.loss)


def packed(chunks: Sequence[Chunk]) -> dict[str, NDArray[Any]]:
    """Chunks of one length as arrays, a leading axis over chunks."""
    return {f.name: np.array([getattr(c, f.name) for c in chunks]) for f in fields(Chunk)}


def unpacked(arrays: Mapping[str, NDArray[Any]]) -> list[Chunk]:
    """The chunks that were packed."""

    def value(name: str, at: int) -> Any:
        found = arrays[name][at]
        return found if found.ndim else found.item()

    names = [f.name for f in fields(Chunk)]
    return [Chunk(**{n: value(n, at) for n in names}) for at in range(len(arrays["first_step"]))]


def frame(
    chunks: Sequence[Chunk],
    blocks: Sequence[str],
    *,
    unit: str,
    batch: int,
    held_out: Mapping[int, float],
) -> pd.DataFrame:
    """A curve as it is stored: a row a chunk, at its last step.

    The column of what was seen by then is called `tokens`, `images` or `pairs`. Losses, gradient
    norms and rates are means over the chunk's steps, those that were skipped left out where others
    are there; skipped steps and non-finite blocks are sums. held_out: losses by step, read in
    passing.
    """
    steps = np.array([chunk.last_step for chunk in chunks], int)
    averages = [means(chunk) for chunk in chunks]
    columns: dict[str, Any] = {
        "step": steps,
        f"{unit}s": steps * batch,
        **{name: _floats(told[name] for told in averages) for name in MEANS},
        "skipped": np.array([c.skipped.sum() for c in chunks], int),
        "nonfinite": np.array([c.nonfinite.sum() for c in chunks], int),
        "attention_logit": np.array([c.attention_logit for c in chunks]),
        "loss_scale": np.array([c.loss_scale for c in chunks]),
        "seconds": np.array([c.seconds for c in chunks]),
        "waited": np.array([c.waited for c in chunks]),
        "held_out": np.array([held_out.get(int(step), np.nan) for step in steps]),
    }
    for title, name in (
        ("grad_norm", "grad_by_block"),
        ("update_ratio", "update_by_block"),
        ("activation_rms", "activation_by_block"),
    ):
        values = _floats(getattr(c, name) for c in chunks).reshape(-1, len(blocks))
        columns |= {f"{title}/{block}": values[:, at] for at, block in enumerate(blocks)}
    return pd.DataFrame(columns)


def _floats(values: Iterable[Any]) -> Floats:
    return np.array(list(values), np.float32)


def means(chunk: Chunk) -> dict[str, float]:
    """`MEANS` over the chunk's steps; skipped ones are left out where others are there."""
    return {
        "loss": float(_mean(chunk.loss, chunk.skipped)),
        "grad_norm": float(_mean(chunk.grad_norm, chunk.skipped)),
        "learning_rate": float(chunk.learning_rate.mean()),
    }


def _mean(values: Floats, skipped: NDArray[np.bool_]) -> np.float32:
    taken = values[~skipped] if not skipped.all() else values
    return np.float32(taken.mean())
