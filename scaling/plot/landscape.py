"""The landscape of known models: image errors with their trends, language models by a law."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.forecast.landscape import Landscape, Trend
from scaling.forecast.landscape.place import OPTIMAL, flat
from scaling.plot.names import Named, name_points
from scaling.plot.style import BAND, DASHED, FIT, INK, MUTED, TRUTH, WIDE, canvas, gid, styled
from scaling.plot.ticks import log_ticks
from scaling.plot.width import across
from scaling.plot.words import AXES, power

Shown = tuple[list[Named], set[str]]  # the points of a panel, and the names that are written

_GREEN = "#009e73"
# Groups of image models: what is drawn, how, and whether a trend holds them.
_GROUPS = (
    ("from scratch", "o", FIT, True),
    ("fine-tuned", "s", TRUTH, True),
    ("zero-shot or frozen", "^", _GREEN, False),
    ("ensemble", "x", MUTED, False),
)
_SHOWN = {"MobileNetV2", "EfficientNet-B0", "EfficientNet-B7", "ResNet-50", "ViT-22B, frozen",
          "CLIP ViT-L/14", "SwinV2-G", "VGG-16", "AlexNet", "CoCa", "ViT-H/14"}  # fmt: skip
_RECORDS = {"AlexNet", "ZFNet", "VGG-16", "Inception-v3", "NASNet-A large", "NoisyStudent L2",
            "ResNeXt-101 32x48d WSL", "Meta Pseudo Labels L2", "CoAtNet-7", "CoCa",
            "ViT-22B, frozen"}  # fmt: skip
_LANGUAGE = {"GPT-3 175B", "Chinchilla 70B", "Gopher 280B", "MT-NLG 530B", "PaLM 540B", "LLaMA 65B",
             "Llama 2 70B", "Llama 3 8B", "Llama 3.1 405B", "DeepSeek-V3", "Qwen3 0.6B", "Kimi K2",
             "Gemma 3 27B", "Cerebras-GPT 111M", "GPT-4", "GPT-2 1.5B", "o1-mini"}  # fmt: skip
_ERRORS = (7.7, 43.0)  # %: less than .75 decades, which ticks every 10
_TITLE: dict[str, Any] = {"fontsize": 6.8, "fontweight": "normal", "color": MUTED}
_BUDGETS = (1e20, 1e22, 1e24, 1e26)


@styled
def landscape(found: Landscape, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Three panels of one kind of model.

    image: top-1 error by size, training compute and date, with trends and their 90 % bands.
    language: size by date; tokens by size beside the law's optimum; D over D_opt by date. Hollow
    marks are estimates of others than the maker; no line is fitted to them.
    """
    figure, axes = canvas(ax, 3, width=1.25 * WIDE, height=3.1)
    shown = _image(found, axes) if found.kind == "image" else _language(found, axes)
    handles, names = axes[0].get_legend_handles_labels()
    if ax is None:
        figure.legend(handles, names, loc="outside upper left", ncols=across(len(names)))
    else:
        axes[0].legend(handles, names)
    figure.draw_without_rendering()  # settles the layout: names are placed by it
    for panel, (points, named) in zip(axes, shown, strict=True):
        name_points(panel, points, named)
    return figure


def _image(found: Landscape, axes: Sequence[Axes]) -> list[Shown]:
    """Draws the panels; returns the points of each, and which are named."""
    table = found.models[found.models["top1_error"].notna()]
    group = table["training"].replace({"zero-shot": _GROUPS[2][0], "frozen": _GROUPS[2][0]})
    group = group.mask(table["test"] == "ensemble", "ensemble")
    by_of = {one.of: one for one in found.trends}
    panels = (("size", "N_total", AXES["N_total"], _SHOWN),
              ("compute", "compute", "Training compute (FLOPs)", _SHOWN),
              ("record", "year", "Published", _RECORDS))  # fmt: skip
    shown: list[Shown] = []
    for panel, (of, column, label, named) in zip(axes, panels, strict=True):
        for name, marker, colour, _ in _GROUPS:
            own = table[(group == name) & table[column].notna()]
            (drawn,) = panel.plot(own[column], 100 * own["top1_error"], marker, color=colour,
                                  markersize=3.2, alpha=0.75, label=name,
                                  markeredgewidth=0.8 if marker == "x" else 0)  # fmt: skip
            drawn.set_gid(gid("models", of, name))
        own_trends = [by_of[t] for t in (of, *(["year"] if of == "record" else [])) if t in by_of]
        for trend in own_trends:
            _trend(panel, trend)
        panel.set_title(_said(own_trends), **_TITLE)
        panel.set(yscale="log", xlabel=label, ylim=_ERRORS)
        log_ticks(panel.yaxis, "plain")
        if column != "year":
            panel.set_xscale("log")
            log_ticks(panel.xaxis, "quantity" if column == "N_total" else "power")
        shown.append(
            (_points(table.assign(error=100 * table["top1_error"]), column, "error"), named)
        )
    axes[0].set_ylabel("ImageNet top-1 error (%)")
    return shown


def _trend(panel: Axes, trend: Trend) -> None:
    x = trend.models[trend.column].to_numpy(dtype=float)
    grid = np.linspace if trend.by_year else np.geomspace
    at = grid(x.min(), x.max(), 40)
    line = trend.at(at)
    low, high = line.interval()
    shade = panel.fill_between(at, 100 * low, 100 * high, color=BAND, alpha=0.3, linewidth=0)
    shade.set_gid(gid("band", trend.of))
    style = "-" if trend.of == "record" or not trend.by_year else DASHED
    (drawn,) = panel.plot(at, 100 * line.point, color=INK, linewidth=1.0, linestyle=style)
    drawn.set_gid(gid("trend", trend.of))


def _said(trends: Sequence[Trend]) -> str:
    """What a panel's trends say, as its title: intervals are 90 %."""
    lines = []
    for one in trends:
        half, slope = one.halving, one.slope
        if half is not None:
            who = "records (solid)" if one.of == "record" else "all models (dashed)"
            lines.append(
                f"{who}: halves in {half.point:.1f} [{half.q05:.1f}, {half.q95:.1f}] years"
            )
        elif not one.by_year:
            ends = f"[{slope.q05:.3f}, {slope.q95:.3f}]"
            lines.append(f"slope {slope.point:.3f} {ends}, {len(one.models)} models")
    return "\n".join(lines)


def _language(found: Landscape, axes: Sequence[Axes]) -> list[Shown]:
    """Draws the panels; returns the points of each, and which are named."""
    facts = pd.concat([found.models, found.estimated])
    sizes, division, excess = axes
    placed = flat(list(found.placed)).merge(found.models[["name", "year", "type"]], on="name")
    _by_type(sizes, facts[facts["N_total"].notna()], "year", "N_total", "sizes")
    sizes.set(yscale="log", xlabel="Published", ylabel=AXES["N_total"])
    log_ticks(sizes.yaxis, "quantity")
    _frontier(division, found, placed)
    _by_type(division, placed, "N", "D", "division")
    division.set(xlabel="Parameters $N$ that the law is asked about", ylabel="Training tokens $D$")
    _by_type(excess, placed, "year", "over", "over")
    sure = placed["over_q05"] < placed["over_q95"]  # of a law with draws: their 90 %
    bars = excess.vlines(placed["year"][sure], placed["over_q05"][sure], placed["over_q95"][sure],
                         color=MUTED, linewidth=0.6, zorder=1)  # fmt: skip
    bars.set_gid("intervals")
    excess.axhspan(1 / OPTIMAL, OPTIMAL, color=BAND, alpha=0.3, linewidth=0, zorder=0)
    excess.axhline(1.0, color=INK, linewidth=0.9, zorder=1)
    excess.set(yscale="log", xlabel="Published",
               ylabel=r"$D\,/\,D_\mathrm{opt}$ at the same compute")  # fmt: skip
    log_ticks(excess.yaxis, "plain")
    excess.set_title("above 1: over-trained; band: within a factor of 2", **_TITLE)
    drawn = ((facts, "year", "N_total"), (placed, "N", "D"), (placed, "year", "over"))
    return [(_points(rows, x, y), _LANGUAGE) for rows, x, y in drawn]


def _points(rows: pd.DataFrame, x: str, y: str) -> list[Named]:
    known = rows[rows[x].notna() & rows[y].notna()]
    return list(zip(known[x], known[y], known["name"], strict=True))


def _by_type(panel: Axes, rows: pd.DataFrame, x: str, y: str, of: str) -> None:
    """Dense models, mixtures of experts, and estimates (hollow)."""
    ways = (("dense", rows["type"].isin(["decoder", "encoder-decoder"]), "o", FIT, FIT),
            ("mixture of experts", rows["type"] == "moe", "D", TRUTH, TRUTH),
            ("estimated by others", rows["type"] == "unknown", "o", MUTED, "none"))  # fmt: skip
    for name, chosen, marker, colour, face in ways:
        own = rows[chosen]
        if own.empty:
            continue
        (drawn,) = panel.plot(own[x], own[y], marker, color=colour, markerfacecolor=face,
                              markersize=3.0, alpha=0.8, markeredgewidth=0.7 * (face == "none"),
                              label=name)  # fmt: skip
        drawn.set_gid(gid("models", of, name))


def _frontier(panel: Axes, found: Landscape, placed: pd.DataFrame) -> None:
    """The law's optimum over the compute of the models, and lines of equal compute."""
    assert found.predictor is not None  # language models are always set against a law
    grid = np.geomspace(placed["C"].min(), placed["C"].max(), 40)
    best = found.predictor.optimum(grid)
    (drawn,) = panel.plot(best.N.point, best.D.point, color=INK, linewidth=1.1, zorder=1)
    drawn.set_gid("frontier")
    panel.set(xscale="log", yscale="log")
    n, d = placed["N"], placed["D"]
    left, right, bottom, top = n.min() / 2, n.max() * 3, d.min() / 2, d.max() * 3
    panel.set(xlim=(left, right), ylim=(bottom, top))
    sizes = np.geomspace(left, right, 40)
    for C in _BUDGETS:
        tokens = found.predictor.cost.tokens(C, sizes)
        panel.plot(sizes, tokens, color=MUTED, linewidth=0.5, linestyle=":", zorder=0)
        inside = (tokens > bottom) & (tokens < top)
        if inside.any():
            at = np.flatnonzero(inside)[-1]
            panel.annotate(f"{power(C)}", (sizes[at], tokens[at]), fontsize=6, color=MUTED,
                           ha="right", va="bottom")  # fmt: skip
    log_ticks(panel.xaxis, "quantity")
    log_ticks(panel.yaxis, "quantity")
    panel.set_title(f"line: the optimum by {found.law}; dotted: FLOPs", **_TITLE)
