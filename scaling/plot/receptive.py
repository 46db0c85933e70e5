"""What a position of a convolutional net can see of an image: its field by layer and by size.

Exact arithmetic of each family's layers, not a measurement: gradients show that a trained net
weighs the field's middle most (`scaling.models.receptive`, which needs JAX, measures that).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scaling import families
from scaling.errors import InputError
from scaling.families import Shape
from scaling.plot.marks import mark
from scaling.plot.style import (
    DASHED,
    GROUPS,
    MARKERS,
    MUTED,
    WIDE,
    canvas,
    end_labels,
    gid,
    note,
    styled,
)
from scaling.plot.ticks import log_ticks
from scaling.plot.words import axis_label, named

_WIDENING = ("convolution", "max_pool")  # layers whose windows can widen a field
Nets = Mapping[str, Sequence[Shape]]
Looks = Mapping[str, tuple[str, str]]


def nets_of(table: pd.DataFrame) -> dict[str, list[Shape]]:
    """The shapes of a table's runs, by family. Raises InputError where it doesn't tell them."""
    if missing := [name for name in ("family", "config") if name not in table]:
        raise InputError(f"no column {', '.join(missing)}: this figure needs the shapes of runs")
    told = table[["family", "config"]].dropna().drop_duplicates()
    found: dict[str, list[Shape]] = {}
    for family, config in told.itertuples(index=False):
        module = families.get(str(family))
        try:
            shape = module.from_dials(**json.loads(str(config)))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"config {named(str(config))} is no shape of {family}: {error}"
            ) from None
        found.setdefault(str(family), []).append(shape)
    return found


@styled
def receptive(nets: Nets, *, ax: Sequence[Axes] | None = None) -> Figure:
    """Left: the side of the field along the layers of each family's largest net; right: at its end,
    of every size. Dashed: the image's side, beyond which a position sees all of it.

    Raises InputError where no family is convolutional, and for more than can be told apart.
    """
    nets = {name: sorted(shapes, key=lambda shape: shape.N) for name, shapes in nets.items()}
    seeing = {name: shapes for name, shapes in nets.items() if _fields(shapes[-1])}
    if not seeing:
        raise InputError(f"{', '.join(nets) or 'no family'}: no net with receptive fields")
    if len(seeing) > len(GROUPS):
        raise InputError(f"{len(seeing)} families; a figure can tell {len(GROUPS)} apart")
    looks = dict(zip(seeing, zip(GROUPS, MARKERS, strict=True), strict=False))
    figure, axes = canvas(ax, 2, width=WIDE, height=2.8, sharey=True)
    ends = _by_layer(axes[0], seeing, looks)
    _by_size(axes[1], seeing, looks)
    sides = {int(shape.to_dict()["image"]) for shapes in seeing.values() for shape in shapes}
    for panel in axes:
        panel.set_yscale("log")
        for side in sides:
            panel.axhline(side, color=MUTED, linewidth=0.7, linestyle=DASHED, zorder=0)
            panel.annotate(f"image: {side}", (0.99, side), xycoords=("axes fraction", "data"),
                           fontsize=6.3, color=MUTED, va="bottom", ha="right")  # fmt: skip
        log_ticks(panel.yaxis, "plain")
    end_labels(axes[1], ends)
    if blind := [name for name in nets if name not in seeing]:
        note(axes[0], f"all of the image at once: {', '.join(blind)}", x=0.98, ha="right")
    return figure


def _fields(shape: Shape) -> list[int]:
    """The field's side after each layer that can widen it; shortcuts do not narrow it."""
    seen = [layer.receptive.size for layer in shape.layers()
            if layer.receptive is not None and layer.kind in _WIDENING]  # fmt: skip
    return np.maximum.accumulate(seen).tolist() if seen else []


def _by_layer(axes: Axes, nets: Nets, looks: Looks) -> list[tuple[float, str, str]]:
    ends = []
    for family, shapes in nets.items():
        colour, marker = looks[family]
        fields = _fields(shapes[-1])
        number = np.arange(1, len(fields) + 1)
        (line,) = axes.plot(
            number, fields, color=colour, marker=marker, markersize=3, linewidth=1.0,
            markeredgecolor="white", markeredgewidth=0.3,
        )  # fmt: skip
        mark(line, gid("fields", family), layer=number, field=fields)
        ends.append((float(fields[-1]), named(family), colour))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("Convolutions and pools passed")
    axes.set_ylabel("Receptive field (side, pixels)")
    axes.set_title("Along the largest net of each")
    return ends


def _by_size(axes: Axes, nets: Nets, looks: Looks) -> None:
    for family, shapes in nets.items():
        colour, marker = looks[family]
        sizes, fields = [shape.N for shape in shapes], [_fields(shape)[-1] for shape in shapes]
        (line,) = axes.plot(
            sizes, fields, color=colour, marker=marker, markersize=4.4, linewidth=0.8,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
        mark(line, gid("sizes", family), N=sizes, field=fields)
    axes.set_xscale("log")
    log_ticks(axes.xaxis, "quantity")
    axes.set_xlabel(axis_label("N"))
    axes.set_title("At the end, by size")
