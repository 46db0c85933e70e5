"""A sweep of learning rates at two sizes, with and without an intervention."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

RATES = 10.0 ** np.arange(-3, 1)


def sensitive(**columns: Any) -> pd.DataFrame:
    """Two sizes, two seeds, with and without qk_norm; the rate of 1 diverges without it."""
    rows = []
    for qk_norm in (False, True):
        for width, N in ((8, 1e3), (16, 4e3)):
            for seed in (0, 1):
                for rate in RATES:
                    lost = rate == 1 and not qk_norm
                    config = {"width": width, "heads": width // 8, "qk_norm": qk_norm, "vocab": 64}
                    rows.append(
                        {"N": N, "seed": seed, "learning_rate": rate, "transfer": "mup",
                         "loss": np.nan if lost else 2 + 0.1 * np.log10(rate / 0.01) ** 2,
                         "status": "diverged" if lost else "finished",
                         "config": json.dumps(config), "attention_logit": 10 * rate,
                         "recipe": json.dumps({"learning_rate": rate, "batch_tokens": 64})}
                    )  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)
