"""Where a figure's markers lie in its drawing and what each is: data for the page's scripts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from scaling.plot.marks import Marks, marked
from scaling.report.linked import Linked

Array = NDArray[np.float64]

_POINTS = 72  # an inch of an SVG
_VERTICES = 160  # of a line: every k-th of more
_MARKERS = 3000  # of a series: of more, those that are in the page's table


def points(figure: Figure, prefix: str, runs: Linked | None = None) -> dict[str, Any]:
    """Axes and series of a figure that was drawn (positions are settled then), in its SVG's units.

    prefix: of the ids in the page. axes: their labels. series: `id` of the element, whether it is a
    line, and of each marker its place x, y, its run (-1: none), and `columns`: what the run's own
    row does not say; `at`: its values on the axes, where there is no run. whole: elements that are
    one run's, by id.
    """
    panels = [ax for ax in figure.axes if ax.get_visible()]
    series: list[dict[str, Any]] = []
    whole: dict[str, int] = {}
    for artist, marks in marked(figure):
        if not isinstance(artist, Line2D | PathCollection) or artist.axes not in panels:
            continue
        found = runs.find(marks.columns) if runs is not None and marks.columns else []
        if set(marks.columns) == {"run"} and len(_data(artist)) != len(found):
            whole[f"{prefix}-{marks.name}"] = found[0] if found else -1
        else:
            told = _series(figure, artist, marks, found, runs)
            series.append(
                {"id": f"{prefix}-{marks.name}", "axes": panels.index(artist.axes), **told}
            )
    axes = [{"x": spoken(ax.get_xlabel()), "y": spoken(ax.get_ylabel())} for ax in panels]
    return {
        "prefix": prefix,
        "axes": axes,
        "series": [one for one in series if len(one["x"])],
        "whole": whole,
    }


def _series(
    figure: Figure, artist: Line2D | PathCollection, marks: Marks, found: list[int],
    runs: Linked | None,
) -> dict[str, Any]:  # fmt: skip
    data = _data(artist)
    transform = (
        artist.get_transform() if isinstance(artist, Line2D) else artist.get_offset_transform()
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        on_paper = figure.transFigure.inverted().transform(transform.transform(data))
    wide, high = figure.get_size_inches() * _POINTS
    x, y = on_paper[:, 0] * wide, (1 - on_paper[:, 1]) * high
    ax = artist.axes
    assert isinstance(ax, Axes)  # the caller looked
    seen = np.flatnonzero(np.isfinite(on_paper).all(axis=1) & _inside(ax, on_paper))
    line = isinstance(artist, Line2D) and artist.get_marker() in ("None", None, "", " ")
    run = np.array(found if len(found) == len(data) else [-1] * len(data), dtype=int)
    if line:
        seen = seen[:: -(-len(seen) // _VERTICES) or 1]
    elif len(seen) > _MARKERS:
        seen = seen[run[seen] >= 0]
    run = run[seen]
    columns = {k: v for k, v in marks.columns.items() if len(v) == len(data) and k != "run"}
    values: dict[str, Any] = {}
    if runs is not None and "N" in columns:
        sizes = {f"{size:.9g}": i for i, size in enumerate(runs.sizes)}
        values["size"] = [sizes.get(f"{float(n):.9g}", -1) for n in columns["N"][seen]]
    if len(run) and (run >= 0).all():  # the run's row says it
        known = set(runs.rows.columns) if runs is not None else set()
    else:
        values["at"] = [_short(column[seen]) for column in data.T]
        known = {k for k, v in columns.items() if any(np.array_equal(v, axis) for axis in data.T)}
    columns = {name: column for name, column in columns.items() if name not in known}
    label = str(artist.get_label())
    return {
        "name": "" if label.startswith("_") else spoken(label),
        "line": line,
        "x": np.round(x[seen], 1),
        "y": np.round(y[seen], 1),
        "run": run,
        "columns": {name: _short(column[seen]) for name, column in columns.items()},
        **values,
    }


def _data(artist: Line2D | PathCollection) -> Array:
    if isinstance(artist, Line2D):
        return np.column_stack([np.asarray(v, float) for v in artist.get_data(orig=False)])
    return np.asarray(artist.get_offsets(), float)


def _inside(ax: Axes, on_paper: Array) -> NDArray[np.bool_]:
    """Which places lie in the axes' box, with room for the rounding of an edge."""
    box = ax.get_position()
    near = 1e-3
    low, high = np.array([box.x0, box.y0]) - near, np.array([box.x1, box.y1]) + near
    return np.asarray(((on_paper >= low) & (on_paper <= high)).all(axis=1))


def _short(values: ArrayLike) -> list[Any]:
    """Numbers to five digits; what is none as it is."""
    return [
        float(f"{v:.5g}") if isinstance(v, int | float) else v for v in np.asarray(values).tolist()
    ]


def spoken(label: str) -> str:
    """An axis label without mathtext's marks: it is read in a line of text, or aloud."""
    plain = re.sub(r"\\(?:mathrm|rm|mathit)\b", "", label)
    return re.sub(r"\\(?=[A-Za-z])|[${}]", "", plain).strip()
