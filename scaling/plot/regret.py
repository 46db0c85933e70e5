"""What each choice of N at a budget is expected to waste, and which are as good as the best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.forecast.decisions.at_budget import AtBudget
from scaling.forecast.decisions.regret import OPTIMUM, Regret, decide
from scaling.forecast.predictor import Predictor
from scaling.plot.marks import mark
from scaling.plot.style import BAND, COLUMN, FIT, INK, canvas, gid, note, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.words import SYMBOLS, compute_column, power, quantity

_MARKS = ("*", "o", "s", "^", "D", "v")
_NAMES = {OPTIMUM: r"$N_\mathrm{opt}$", "twenty": "20 tokens a parameter",
          "last_minimum": r"last minimum, $C^{.5}$"}  # fmt: skip
_SPAN = 8.0  # around N_opt, as a factor
_GRID = 49


@styled
def regret(
    predictor: Predictor,
    C: float,
    *,
    choices: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The share of C that training N is expected to waste, against N / N_opt: the mean over draws
    with the central 90 % of them; shaded, the sizes within .5 % of the best loss.

    choices: further N by name (rules of thumb), marked. Raises InputError as `decide` does, and
    for a predictor without draws, which knows no regret.
    """
    found = decide(predictor, C, choices=choices)
    if not found.draws:
        raise InputError("regret is a mean over draws, and this fit has none; fit with draws")
    own = found.choices[OPTIMUM].N
    far = max(_SPAN, *(1.3 * max(item.N / own, own / item.N) for item in found.choices.values()))
    ratio = np.geomspace(1 / far, far, _GRID)
    wasted = 100 * AtBudget(predictor, C).wasted(own * ratio)
    low, high = np.quantile(wasted, [0.05, 0.95], axis=0)
    figure, (axes,) = canvas(ax, width=COLUMN, height=3.2)
    band = axes.fill_between(ratio, low, high, color=FIT, alpha=0.17, linewidth=0)
    band.set_gid("band-regret")
    axes.plot(ratio, wasted.mean(axis=0), color=FIT, linewidth=1.3, gid="regret")
    if found.flat.safe is not None:
        safe = axes.axvspan(*(end / own for end in found.flat.safe), color=BAND, alpha=0.3,
                            linewidth=0, zorder=0)  # fmt: skip
        safe.set_gid("safe")
    for number, (name, item) in enumerate({**found.choices, "least waste": found.best}.items()):
        at = item.N / own
        axes.plot([at, at], [100 * item.q05, 100 * item.q95], color=INK, linewidth=0.8, zorder=3)
        (dot,) = axes.plot(
            [at], [100 * item.share], _MARKS[number % len(_MARKS)], color=INK, zorder=4,
            markersize=4.6 if number else 8, markeredgecolor="white", markeredgewidth=0.5,
            label=_told(name, item),
        )  # fmt: skip
        mark(dot, gid("choice", name), choice=name, N=item.N, D=item.D, C=item.C,
             wasted=item.share, q05=item.q05, q95=item.q95)  # fmt: skip
    axes.set(xscale="log", xlim=(1 / far, far))
    # the tails of wide bands would flatten what matters: the least and what is near it
    axes.set_ylim(0, 1.15 * max(wasted.mean(axis=0).max(), 100 * max(
        item.q95 for item in found.choices.values())))  # fmt: skip
    log_ticks(axes.xaxis, "plain")
    symbol = SYMBOLS[predictor.n_column]
    axes.set_xlabel(f"{symbol} / $N_\\mathrm{{opt}}$")
    axes.set_ylabel("Compute wasted (% of $C$)")
    times = C / predictor.c_max if predictor.c_max > 0 else 0.0
    reach = f", {times:.3g}$\\times$ the largest run's" if times > 1 else ""
    compute = SYMBOLS[compute_column(predictor.cost.kind)]
    axes.set_title(f"Waste at {compute} = {power(C)}{reach}", fontsize=7.5)
    if found.flat.safe is not None:
        note(axes, "shaded: within .5 % of the\nbest loss in 90 % of draws", x=0.5, y=0.98,
             ha="center")  # fmt: skip
    figure.legend(loc="outside lower left", ncols=1)
    return figure


def _told(name: str, item: Regret) -> str:
    """A choice in the key: its N, and what it wastes."""
    share, low, high = (f"{100 * value:.1f}" for value in (item.share, item.q05, item.q95))
    return f"{_NAMES.get(name, name)}: {quantity(item.N)} wastes {share} [{low}, {high}] %"
