"""Residuals of the fitted surface, against size and against tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.plot.fitted import Fitted, rows
from scaling.plot.style import INK, MARKERS, MUTED, WIDE, canvas, end_labels, note, ramp, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, quantity


@styled
def residuals(fit: Fitted, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Observed over fitted loss, in percent, against N and against D; marked by size.

    The shaded strip holds the middle 90 % of them. Above zero is worse than the law.
    """
    N, D, _, loss = rows(fit)
    percent = 100 * (loss / fit.loss(N, D).point - 1)
    low, high = np.quantile(percent, [0.05, 0.95])
    figure, axes = canvas(ax, 2, width=WIDE, height=2.5, sharey=True)
    sizes = np.unique(N)
    reach = 1.25 * float(np.abs(percent).max() or 1.0)
    for panel, x, column in zip(axes, (N, D), (fit.n_column, "D"), strict=True):
        panel.axhspan(low, high, color=MUTED, alpha=0.13, linewidth=0)
        panel.axhline(0, color=INK, linewidth=0.7)
        for i, (size, colour) in enumerate(zip(sizes, ramp(len(sizes)), strict=True)):
            own = size == N
            panel.plot(
                x[own], percent[own], MARKERS[i % len(MARKERS)], color=colour,
                markeredgecolor="white", markeredgewidth=0.4, markersize=4.4,
                label=quantity(float(size)),
            )  # fmt: skip
        panel.set(xscale="log", ylim=(-reach, reach), xlim=(x.min() / 1.25, x.max() * 1.25))
        log_ticks(panel.xaxis, "quantity")
        panel.set_xlabel(axis_label(column))
    axes[0].set_ylabel("Observed loss above fit (%)")
    note(axes[0], f"root mean square {np.sqrt(np.mean(percent**2)):.2f} %; strip: middle 90 %")
    if len(sizes) <= 12:
        axes[1].legend(
            title=SYMBOLS[fit.n_column], loc="center left", bbox_to_anchor=(1.01, 0.5),
            title_fontsize=7, handletextpad=0.2, borderpad=0, reverse=True,
        )  # fmt: skip
    else:
        end_labels(axes[1], [])
    return figure
