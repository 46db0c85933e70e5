"""What a run tells of itself while it trains, chunk by chunk. No JAX: diagnosis reads it too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


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
    nonfinite: NDArray[np.int32]  # [steps], entries of the gradient that are not finite
    grad_by_block: Floats  # [blocks], norm of the gradient by each block's parameters
    update_by_block: Floats  # [blocks], norm of the update over the norm of the weights
    activation_by_block: Floats  # [blocks], root mean square of each block's output; NaN: untold
    attention_logit: float  # largest score of any head, NaN without attention
    seconds: float = 0.0  # since the chunk before was read
    waited: float = 0.0  # of which for data
