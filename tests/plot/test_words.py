"""What figures call things under a table's conventions."""

from __future__ import annotations

import io

import pytest
from matplotlib.figure import Figure

from scaling.plot import save
from scaling.plot.words import axis_label, loss_label, named
from scaling.units import loss_unit, unit_of_d


@pytest.mark.parametrize(
    ("kind", "label", "fitted", "unit"),
    [
        ("nats_per_token", "Held-out loss (nats per token)", "Fitted loss (nats per token)",
         "nats per token"),
        ("nats_per_pair", "Held-out loss (nats per pair)", "Fitted loss (nats per pair)",
         "nats per pair"),
        ("unstated", "Held-out loss (unit unstated)", "Fitted loss (unit unstated)",
         "nats per token"),
        ("top1_error", "Top-1 error", "Fitted top-1 error", ""),
        ("contrastive_loss", "Contrastive loss (nats)", "Fitted contrastive loss (nats)", "nats"),
        ("one_minus_recall_at_5", "1 \u2212 recall@5", "Fitted 1 \u2212 recall@5", ""),
    ],
)  # fmt: skip
def test_losses(kind: str, label: str, fitted: str, unit: str) -> None:
    assert loss_label(kind) == label
    assert loss_label(kind, "Fitted loss") == fitted
    assert loss_unit(kind) == unit


def test_what_d_counts() -> None:
    assert axis_label("D") == "Training tokens $D$"
    assert axis_label("D", "pairs") == "Training pairs $D$"
    assert axis_label("seen", "images") == "Images seen"
    assert axis_label("N", "images") == axis_label("N")
    assert unit_of_d("unstated") == "tokens"


@pytest.mark.parametrize("name", ["$", "a $x$ & <b>", "$$\\frac", "\N{GRINNING FACE}", "y" * 500])
def test_names_of_the_users_are_text_whatever_they_hold(name: str) -> None:
    """Neither mathematics nor markup, nor longer than a label; a missing glyph warns nobody."""
    figure = Figure()
    figure.text(0, 0, named(name))
    for suffix in (".svg", ".png"):
        out = io.BytesIO()
        save(figure, out, suffix)
        assert b"<b>" not in out.getvalue()
    assert len(named(name).replace("\\", "")) <= 32
