"""What a table's conventions mean in words: what D counts, and what L measures in which unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNSTATED = "unstated"


@dataclass(frozen=True)
class Measure:
    """Something that can be the L of a law: lower is better, and above 0.

    title: what an axis calls it. unit: after a number; empty for a share between 0 and 1.
    """

    title: str
    unit: str = ""

    @property
    def label(self) -> str:
        """Title and unit, as an axis has them."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


# By L_kind. A metric's L_kind is the name of its column.
_LOSSES = {
    "nats_per_token": Measure("Held-out loss", "nats per token"),
    "nats_per_image": Measure("Held-out loss", "nats per image"),
    "nats_per_pair": Measure("Held-out loss", "nats per pair"),
    "bits_per_byte": Measure("Held-out loss", "bits per byte"),
}
METRICS: Mapping[str, Measure] = {
    "train_loss": Measure("Training loss", "nats"),
    "gap": Measure("Gap of held-out over training loss", "nats"),
    "contrastive_loss": Measure("Contrastive loss", "nats"),
    "caption_loss": Measure("Caption loss", "nats"),
    "top1_error": Measure("Top-1 error"),
    "top5_error": Measure("Top-5 error"),
    "calibration_error": Measure("Calibration error"),
    "zero_shot_top1_error": Measure("Zero-shot top-1 error"),
    "zero_shot_top5_error": Measure("Zero-shot top-5 error"),
}
# Metrics of which more is better: one less each is the L of a law.
GAINS: Mapping[str, str] = {
    "recall_at_1": "one_minus_recall_at_1",
    "recall_at_5": "one_minus_recall_at_5",
}
_MISSED = {
    GAINS["recall_at_1"]: Measure("1 \u2212 recall@1"),
    GAINS["recall_at_5"]: Measure("1 \u2212 recall@5"),
}
METRICS_AS_LOSS: Mapping[str, Measure] = {**METRICS, **_MISSED}
UNITS_OF_D = ("tokens", "images", "pairs")


def measure(kind: str = UNSTATED) -> Measure:
    """What L is under the convention `L_kind`; one that is not known is its own unit."""
    known = {**_LOSSES, **METRICS_AS_LOSS}
    return known.get(kind) or Measure("Held-out loss", f"unit {kind}")


def unit_of_d(kind: str = UNSTATED) -> str:
    """What D counts under the convention `D_kind`, in the plural: tokens where it is unstated, as
    tables of language models leave it."""
    return kind if kind in UNITS_OF_D else "tokens"


def loss_unit(kind: str = UNSTATED) -> str:
    """The unit of L after a number; nats per token where it is unstated, nothing for a share."""
    return measure("nats_per_token" if kind == UNSTATED else kind).unit
