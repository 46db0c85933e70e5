"""Residuals of the fitted surface, against size, tokens and the loss it predicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.forecast.frontier import without_draws
from scaling.plot.fitted import Fitted, d_kind, loss_kind, rows
from scaling.plot.marks import mark
from scaling.plot.style import INK, MARKERS, MUTED, WIDE, canvas, gid, note, ramp, styled
from scaling.plot.thin import thinned
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, axis_label, loss_label, quantity

_MOST = 500  # runs: each has a marker in each of three panels
_NAMED = 12  # sizes that the legend can name


@styled
def residuals(fit: Fitted, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Observed over fitted loss, in percent, against N, D and the fitted loss; marked by size.

    The shaded strip holds the middle 90 % of them. Above zero is worse than the law.
    """
    N, D, _, loss = rows(fit)
    law = without_draws(fit).loss(N, D).point
    percent = 100 * (loss / law - 1)
    low, high = np.quantile(percent, [0.05, 0.95])
    told = f"rms {np.sqrt(np.mean(percent**2)):.2f} %; strip: middle 90 %"
    kept, said = thinned(N, _MOST)
    N, D, loss, law, percent = (values[kept] for values in (N, D, loss, law, percent))
    figure, axes = canvas(ax, 3, width=WIDE, height=2.4, sharey=True)
    sizes = np.unique(N)
    reach = 1.3 * float(np.abs(percent).max() or 1.0)
    kinds = (
        (N, axis_label(fit.n_column), "quantity"),
        (D, axis_label("D", d_kind(fit)), "quantity"),
        (law, loss_label(loss_kind(fit), "Fitted loss"), "plain"),
    )
    for panel, (x, label, form) in zip(axes, kinds, strict=True):
        panel.axhspan(low, high, color=MUTED, alpha=0.13, linewidth=0)
        panel.axhline(0, color=INK, linewidth=0.7)
        for i, (size, colour) in enumerate(zip(sizes, ramp(len(sizes)), strict=True)):
            own = size == N
            (dots,) = panel.plot(
                x[own], percent[own], MARKERS[i % len(MARKERS)], color=colour,
                markeredgecolor="white", markeredgewidth=0.4, markersize=4.2,
                label=quantity(float(size)),
            )  # fmt: skip
            mark(
                dots, gid("residuals", label.split()[0], size),
                N=N[own], D=D[own], loss=loss[own], percent=percent[own],
            )  # fmt: skip
        pad = (x.max() / x.min()) ** 0.08 * 1.01
        panel.set(xscale="log", ylim=(-reach, reach), xlim=(x.min() / pad, x.max() * pad))
        log_ticks(panel.xaxis, form)
        panel.set_xlabel(label)
    axes[0].set_ylabel("Observed loss above fit (%)")
    note(axes[0], told)
    note(axes[1], said)
    if len(sizes) <= _NAMED:
        axes[-1].legend(
            title=SYMBOLS[fit.n_column], loc="center left", bbox_to_anchor=(1.01, 0.5),
            title_fontsize=7, handletextpad=0.2, borderpad=0, reverse=True,
        )  # fmt: skip
    return figure
