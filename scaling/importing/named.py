"""What a field's name says: its unit, its convention, and what it leaves open."""

from __future__ import annotations

import math

from scaling.importers.columns import MEASURED, plain, without_unit
from scaling.where import Expression, expression


def quoted(name: str) -> str:
    """A field's name as expressions take it."""
    return name if name.isidentifier() else f"`{name}`"


def scaled(ours: str, name: str) -> tuple[Expression, float]:
    """A field as our column, its unit undone where its name says one."""
    _, scale = without_unit(name)
    if ours not in ("N", "N_total", "D", "D_unique", "batch_tokens"):
        scale = 1.0
    words = set(plain(name).split("_"))
    text, what = quoted(name), f"--map {ours}"
    if scale != 1.0:
        return expression(f"{text} * {scale:.0e}".replace("e+0", "e"), what), scale
    if ours in ("loss", "train_loss") and words & {"ppl", "perplexity"}:
        return expression(f"log({text})", what), 1.0
    if ours == "loss" and kind_of(ours, name) != "bits_per_byte" and words & {"bits", "bpt", "bpc"}:
        return expression(f"{text} * {math.log(2)!r}", what), 1.0
    return expression(text, what), 1.0


def doubts_of(ours: str, name: str) -> list[str]:
    words = set(plain(name).split("_"))
    doubts = []
    if ours == "N_unstated":
        doubts.append("its name doesn't say whether embeddings are in it")
    if ours == "loss_unstated":
        doubts.append("its name doesn't say whether it was held out")
    if ours in MEASURED and words & {"smooth", "smoothed", "ema", "avg", "mean", "running"}:
        doubts.append("its name says it is smoothed")
    return doubts


def kind_of(ours: str, name: str) -> str:
    """What a name says of the convention: of N, the kind of count; of a loss, its unit."""
    words = set(plain(name).split("_"))
    if ours in ("N", "N_total"):
        return {"N": "non_embedding", "N_total": "total"}[ours]
    if ours not in ("loss", "loss_unstated", "train_loss"):
        return ""
    if "bpb" in words or {"bits", "byte"} <= words:
        return "bits_per_byte"
    per = next((unit for unit in ("byte", "word", "character") if unit in words), "")
    if words & {"char", "bpc"}:
        per = "character"
    if per:
        return f"nats_per_{per}"
    if words & {"ppl", "perplexity", "bits", "bpt"}:
        return "nats_per_token"
    return ""
