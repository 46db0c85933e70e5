"""How far off forecasts of a table's own larger runs were, and how often inside, by distance."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.forecast.rollouts.rollout import Rollout
from scaling.forecast.rollouts.scores import LEVEL, loss_cells, size_cells
from scaling.plot.style import DASHED, MARKERS, MUTED, WIDE, canvas, gid, note, ramp, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.width import across
from scaling.units import METRICS_AS_LOSS, UNSTATED

_TITLES = ("Error of the {loss} (%)", "Error of $\\log_{10}\\,N_\\mathrm{opt}$",
           "Inside the 90 % interval")  # fmt: skip


@styled
def rollout(found: Rollout, *, kind: str = UNSTATED, ax: list[Axes] | None = None) -> Figure:
    """Three panels against distance beyond the cut: error of losses, of N_opt, and coverage.

    Small markers are single budgets at single cuts, large ones the mean of a bin of distances;
    naive rules have no losses and no intervals. kind: the table's L_kind. Raises InputError where
    nothing was forecast.
    """
    if found.rows.empty:
        raise InputError(f"{found.source}: no rollout to draw")
    of = METRICS_AS_LOSS[kind].title.lower() if kind in METRICS_AS_LOSS else "loss"
    figure, axes = canvas(ax, 3, width=WIDE, height=2.5)
    losses, sizes = loss_cells(found), size_cells(found)
    names = list(dict.fromkeys([*found.rows.forecaster, *found.budgets.forecaster]))
    for i, (name, colour) in enumerate(zip(names, ramp(len(names)), strict=True)):
        marker = MARKERS[i % len(MARKERS)]
        panels = ((losses, "loss_error"), (sizes, "size_error"), (losses, "loss_coverage"))
        for panel, (cells, value) in zip(axes, panels, strict=True):
            own = cells[(cells.forecaster == name) & cells[value].notna()]
            if own.empty:
                continue
            if value != "loss_coverage":
                (dots,) = panel.plot(own.distance, own[value], marker, color=colour, alpha=0.3,
                                     markersize=2.5, markeredgewidth=0)  # fmt: skip
                dots.set_gid(gid("cells", value, name))
            means = own.groupby("bin", observed=True)[["distance", value]].mean()
            (line,) = panel.plot(means.distance, means[value], marker=marker, color=colour,
                                 markersize=5, label=name)  # fmt: skip
            line.set_gid(gid("mean", value, name))
    if sizes.empty:
        note(axes[1], "no isoFLOP budgets, whose minima would show $N_\\mathrm{opt}$")
    axes[2].axhline(LEVEL, color=MUTED, linestyle=DASHED, linewidth=0.8)
    axes[2].set_ylim(-0.03, 1.03)
    for panel, title in zip(axes, _TITLES, strict=True):
        panel.set_xscale("log")
        log_ticks(panel.xaxis, "times")
        panel.set_xlabel("Compute beyond the cut")
        panel.set_ylabel(title.replace("{loss}", of))
        if panel is not axes[2]:
            panel.set_ylim(bottom=0)
    handles = {
        text: line
        for panel in axes
        for line, text in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=across(6))
    return figure
