"""Pretraining as data: how many tokens of fine-tuning it is worth.

Reference: Hernandez et al. 2021 (arXiv:2102.01293, eq. 1.1 and table 1).
"""

from __future__ import annotations

from scaling.laws.law import Published
from scaling.laws.products import product_law

_NOTES = "as quoted in notes on the paper (yigitokar/scaling-laws-as-production-functions)"
_UNITS = "D_F and D_T in characters of Python, N without embeddings"

transfer = product_law(
    "transfer",
    "D_T",
    {"D_F": "alpha", "N": "beta"},
    "Hernandez et al. 2021, arXiv:2102.01293, eq. 1.1",
    meaning={
        "D_T": "effective data transferred: what from scratch would need more, to the same loss",
        "D_F": "data of fine-tuning",
        "alpha": "exponent of the fine-tuning data: how close the two distributions are",
        "beta": "exponent of N",
    },
    ranges={"D_F": (1e5, 1e9)},
)

hernandez2021_text = Published(
    name="hernandez2021_text",
    law="transfer",
    params={"k": 1.9e4, "alpha": 0.18, "beta": 0.38},
    reference="Hernandez et al. 2021, arXiv:2102.01293, table 1, text to Python",
    read=_NOTES,
    note=_UNITS,
)

hernandez2021_half_code = Published(
    name="hernandez2021_half_code",
    law="transfer",
    params={"k": 2.1e5, "alpha": 0.096, "beta": 0.38},
    reference="Hernandez et al. 2021, arXiv:2102.01293, table 1, half text and half code to Python",
    read=_NOTES,
    note=_UNITS,
)
