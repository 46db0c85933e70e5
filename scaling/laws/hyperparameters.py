"""Learning rates and batch sizes that fit a budget: power laws of compute, size and tokens.

References: DeepSeek-AI 2024 (arXiv:2401.02954, eq. 1); Li et al. 2025, Step Law (arXiv:2503.04715);
Bjorck et al. 2024 (arXiv:2409.19913), whose law for the learning rate has the form of Step Law's
and whose constants were not read; of one model it is a power of the tokens alone. The response is a
learning rate or a batch, not a loss: a table to fit has one row a (N, D) or C, with the best value
found there (`scaling rates` finds them in sweeps). The published ones are of AdamW, without rates
that are transferred by width.
"""

from __future__ import annotations

from scaling.laws.law import Published
from scaling.laws.products import product_law

SAVED = "scaling rate laws 1"  # the format of a file of fitted laws of rate and batch

_NOTES = "as quoted in notes on the paper (yigitokar/scaling-laws-as-production-functions)"

# The sizes and lengths of the sweep that Step Law released, step-law/steplaw.
_STEPLAW = {"N": (2.14663680e8, 1.073741824e9), "D": (4e9, 1e11)}
_DEEPSEEK = {"C": (1e17, 2e19)}

_RATE = {"learning_rate": "best peak learning rate of AdamW"}
_BATCH = {"batch_tokens": "best batch, tokens"}

lr_of_compute = product_law(
    "lr_of_compute",
    "learning_rate",
    {"C": "a"},
    "DeepSeek-AI 2024, arXiv:2401.02954, eq. 1",
    meaning=_RATE,
)

batch_of_compute = product_law(
    "batch_of_compute",
    "batch_tokens",
    {"C": "a"},
    "DeepSeek-AI 2024, arXiv:2401.02954, eq. 1",
    meaning=_BATCH,
)

lr_of_size_and_tokens = product_law(
    "lr_of_size_and_tokens",
    "learning_rate",
    {"N": "a", "D": "b"},
    "Li et al. 2025, arXiv:2503.04715; Bjorck et al. 2024, arXiv:2409.19913",
    meaning={**_RATE, "N": "parameters without those of the vocabulary"},
)

lr_at_batch = product_law(
    "lr_at_batch",
    "learning_rate",
    {"N": "a", "D": "b", "B": "c"},
    "Step Law's form with the batch as it is given; c = 1/2 is the square-root rule of Adam "
    "(Malladi et al. 2022, arXiv:2205.10287)",
    meaning={**_RATE, "N": "parameters without those of the vocabulary", "B": "batch, tokens"},
    ranges={"B": (1e4, 1e8)},
)

lr_of_tokens = product_law(
    "lr_of_tokens",
    "learning_rate",
    {"D": "b"},
    "Bjorck et al. 2024, arXiv:2409.19913",
    meaning=_RATE,
)

batch_of_tokens = product_law(
    "batch_of_tokens",
    "batch_tokens",
    {"D": "a"},
    "Li et al. 2025, arXiv:2503.04715",
    meaning=_BATCH,
)

deepseek2024_lr = Published(
    name="deepseek2024_lr",
    law="lr_of_compute",
    params={"k": 0.3118, "a": -0.1250},
    reference="DeepSeek-AI 2024, arXiv:2401.02954, eq. 1",
    read=_NOTES,
    note="C = M D with M non-embedding FLOPs per token; fitted on 1e17 to 2e19 FLOPs",
    ranges=_DEEPSEEK,
)

deepseek2024_batch = Published(
    name="deepseek2024_batch",
    law="batch_of_compute",
    params={"k": 0.2920, "a": 0.3271},
    reference="DeepSeek-AI 2024, arXiv:2401.02954, eq. 1",
    read=_NOTES,
    note="in tokens; C = M D with M non-embedding FLOPs per token",
    ranges=_DEEPSEEK,
)

steplaw2025_lr = Published(
    name="steplaw2025_lr",
    law="lr_of_size_and_tokens",
    params={"k": 1.79, "a": -0.713, "b": 0.307},
    reference="Li et al. 2025, arXiv:2503.04715",
    read="the means of the 1,000 bootstraps released in step-law/steplaw give 1.797, -.7129 and "
    ".3075; as printed in several public notes on the paper",
    note="N without embeddings; the optima of the released sweep lead near these values "
    "(docs/rates.md), the released filter of its losses does not",
    n_kind="non_embedding",
    ranges=_STEPLAW,
)

steplaw2025_batch = Published(
    name="steplaw2025_batch",
    law="batch_of_tokens",
    params={"k": 0.58, "a": 0.571},
    reference="Li et al. 2025, arXiv:2503.04715",
    read="the means of the 1,000 bootstraps released in step-law/steplaw give .5807, .5709; as "
    "printed in several public notes on the paper",
    note="in tokens",
    ranges={"D": _STEPLAW["D"]},
)
