"""How a budget is best spent, as power laws of compute.

References: DeepSeek-AI 2024 (arXiv:2401.02954, eq. 4); Llama team 2024 (arXiv:2407.21783, section
3.2.1). A table to fit has one row a budget, with the best model or token count found there;
`scaling.fit.approach2` makes it from runs.
"""

from __future__ import annotations

from scaling.laws.law import Published
from scaling.laws.products import product_law

_NOTES = "as quoted in notes on the paper (yigitokar/scaling-laws-as-production-functions)"

model_flops_of_compute = product_law(
    "model_flops_of_compute",
    "M",
    {"C": "a"},
    "DeepSeek-AI 2024, arXiv:2401.02954, eq. 4",
    meaning={"M": "best size of a model: non-embedding FLOPs per token, C = M D"},
)

tokens_of_compute = product_law(
    "tokens_of_compute",
    "D",
    {"C": "a"},
    "Llama team 2024, arXiv:2407.21783, section 3.2.1; DeepSeek-AI 2024, arXiv:2401.02954, eq. 4",
    meaning={"D": "best number of training tokens"},
)

deepseek2024_model = Published(
    name="deepseek2024_model",
    law="model_flops_of_compute",
    params={"k": 0.1715, "a": 0.5243},
    reference="DeepSeek-AI 2024, arXiv:2401.02954, eq. 4",
    read=_NOTES,
    note="M = 72 n_layer d_model^2 + 12 n_layer d_model l_seq, not 6 N",
)

deepseek2024_tokens = Published(
    name="deepseek2024_tokens",
    law="tokens_of_compute",
    params={"k": 5.8316, "a": 0.4757},
    reference="DeepSeek-AI 2024, arXiv:2401.02954, eq. 4",
    read=_NOTES,
    note="C = M D with M non-embedding FLOPs per token",
)

llama2024_tokens = Published(
    name="llama2024_tokens",
    law="tokens_of_compute",
    params={"k": 0.299, "a": 0.537},
    reference="Llama team 2024, arXiv:2407.21783, fig. 3",
    read=_NOTES,
    note="tokens, though the paper writes N*(C); its text rounds to .29 and .53; C to 1e22 FLOPs",
)
