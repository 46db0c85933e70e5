"""The house style: one look for every figure, and files that are the same bytes each time.

A figure function is decorated with `styled`, gets its axes from `canvas`, and may draw on axes of
the caller's. Nothing here touches pyplot.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import get_registered_canvas_class
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from scaling import files
from scaling.errors import InputError
from scaling.places import telling
from scaling.plot.labels import apart, legible
from scaling.plot.marks import mark
from scaling.plot.svg import compact
from scaling.plot.width import WIDE as WIDE
from scaling.plot.width import fitted, wrapped

P = ParamSpec("P")
R = TypeVar("R")

COLUMN = 3.5  # inches: one column of a paper

# Okabe and Ito's colours, dark enough on white, with distinct luminance where they meet.
INK = "#1a1a1a"
MUTED = "#6b6b6b"
FIT = "#0b4f8a"
TRUTH = "#c1440e"
BAND = "#7fb0d8"
# Groups without an order (model families): apart for colour-blind eyes, none too light on white.
GROUPS = ("#0072b2", "#d55e00", "#009e73", "#a0458f", "#8a6d00", "#56b4e9", "#1a1a1a", "#8c564b")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
SOLID, DASHED = "-", (0, (4, 2))
FORMATS = (".svg", ".pdf", ".png")
_DOTS, _POINTS = 300, 72  # to the inch, of a picture and of a page
_ID_LETTERS = 60  # of a part of an id: names of files have room for some 250 bytes

_RC: dict[str, Any] = {
    # the first is matplotlib's own; the others are of like width, for a browser without it
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.45,
    "ytick.minor.width": 0.45,
    "xtick.minor.size": 1.8,
    "ytick.minor.size": 1.8,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.9,
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
    "svg.hashsalt": "scaling",
    "pdf.fonttype": 42,
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a figure function, or whatever writes figures, under the house style."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(_RC), warnings.catch_warnings():  # type: ignore[arg-type]  # its keys are a Literal of all
            # of a name with an emoji: a browser has a font for it
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            return draw(*args, **kwargs)

    return inside


def canvas(
    axes: Axes | Sequence[Axes] | None,
    columns: int = 1,
    *,
    rows: int = 1,
    width: float = COLUMN,
    height: float = 2.6,
    sharey: bool = False,
    grid: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A new figure of `columns` panels in each row, or the caller's axes and their figure.

    Where less width is asked for (`at_width`), panels stand below each other, unless they are read
    across as a `grid`. Raises InputError where the caller's axes are of another number.
    """
    if axes is None:
        count = rows * columns
        if grid:
            width = fitted(1, 1, width, height)[2]
        else:
            columns, rows, width, height = fitted(columns, rows, width, height)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel())
        for spare in panels[count:]:
            spare.remove()
        return figure, panels[:count]
    given = [axes] if isinstance(axes, Axes) else list(axes)
    if len(given) != rows * columns:
        raise InputError(f"{len(given)} axes given; this figure needs {rows * columns}")
    root = given[0].get_figure(root=True)
    assert root is not None  # axes always belong to one
    return root, given


def narrow(ax: Axes) -> bool:
    """Whether axes are so narrow, as in one column of a paper, that lines of words are broken."""
    return bool(ax.get_position().width * ax.figure.bbox.width / ax.figure.dpi < COLUMN)


def ramp(count: int) -> list[tuple[float, float, float]]:
    """Colours of an ordered series, dark to light: even in grey, safe for colour-blind eyes."""
    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.8, count))
    return [(float(r), float(g), float(b)) for r, g, b, _ in shades]


def gid(*parts: object) -> str:
    """An artist's id, safe in SVG, CSS, a URL and a file's name whatever the parts are called, and
    another one where they are called otherwise."""
    return "-".join(_safe(str(part)) for part in parts)


def _safe(name: str) -> str:
    """A name in ASCII letters, digits and `_`; one that loses more than its separators, or is long,
    ends in digits of its own."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    if len(plain) <= _ID_LETTERS and re.fullmatch(r"[A-Za-z0-9]+([ ._+/@=-][A-Za-z0-9]+)*", name):
        return plain
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain[:_ID_LETTERS] or 'x'}_{digest}"


def law_line(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    known: ArrayLike,
    *,
    colour: Any,
    name: str,
    band: tuple[ArrayLike, ArrayLike] | None = None,
) -> None:
    """A law's curve: solid where `known` (inside the data), dashed beyond; its band shaded."""
    x, y, known = np.asarray(x, float), np.asarray(y, float), np.asarray(known, bool)
    if band is not None:
        shade = ax.fill_between(x, *band, color=colour, alpha=0.17, linewidth=0, zorder=1)
        shade.set_gid(gid("band", name))
    inside = np.where(known, y, np.nan)
    # the dashed part takes up the last point inside, so that no gap shows between the two
    edge = known & ~(np.roll(known, 1) & np.roll(known, -1))
    beyond = np.where(~known | edge, y, np.nan)
    for part, values, dashes in (("fit", inside, SOLID), ("forecast", beyond, DASHED)):
        (line,) = ax.plot(x, values, color=colour, linestyle=dashes, linewidth=1.1, zorder=2)
        ends = {} if band is None else {"q05": band[0], "q95": band[1]}
        mark(line, gid(part, name), **ends)


def end_labels(
    ax: Axes, labels: Sequence[tuple[float, str, Any]], *, title: str | None = None
) -> None:
    """Names beside the right end of lines: (y of the end, text, colour), pushed apart if need be.

    Text stands right of the axes and is tied to its height by a hair line where it had to move.
    """
    if not labels:
        return
    low, high = ax.get_ylim()
    to_axes = ax.transScale + ax.transLimits
    points = ax.get_window_extent().height * 72 / ax.figure.dpi
    step = 9.2 / max(points, 1.0)
    ordered = sorted(labels, key=lambda item: item[0])
    room = max(2, int(1 / step))
    if len(ordered) > room:  # an even choice: names are in order along the lines' colours
        chosen = np.linspace(0, len(ordered) - 1, room).round().astype(int)
        ordered = [ordered[i] for i in chosen]
    wanted = [
        float(to_axes.transform((ax.get_xlim()[0], min(max(y, low), high)))[1])
        for y, _, _ in ordered
    ]
    placed = apart(wanted, step, 0.0, 1.0 - (step if title else 0.0))
    for (_, text, colour), at, goal in zip(ordered, placed, wanted, strict=True):
        ax.text(
            1.045, at, text, transform=ax.transAxes, color=legible(colour), fontsize=6.8,
            va="center",
            ha="left",
        )  # fmt: skip
        # a plain line: an annotation's arrow is clipped to its text again at every drawing
        hair = Line2D(
            [1.003, 1.042], [goal, at], transform=ax.transAxes, color=colour, linewidth=0.4,
            clip_on=False,
        )  # fmt: skip
        ax.add_artist(hair)
    if title:
        above = max(placed[-1] + step, 0.0)
        ax.text(1.045, above, title, transform=ax.transAxes, fontsize=6.8, color=MUTED, va="center")


def note(ax: Axes, text: str, *, x: float = 0.02, y: float = 0.02, ha: str = "left") -> None:
    """A remark inside the axes, for what a figure would otherwise leave unsaid; "" for none."""
    if not text:
        return
    ax.text(
        x,
        y,
        wrapped(text),
        transform=ax.transAxes,
        fontsize=6.3,
        color=MUTED,
        ha=ha,
        va="bottom" if y < 0.5 else "top",
        linespacing=1.25,
    )


def writable(target: Path) -> Path:
    """The target itself, before long work is done for it.

    Raises InputError for a suffix that no figure has, a folder in its place, and a folder that is
    not there or can't be written to.
    """
    if target.suffix.lower() not in FORMATS:
        raise InputError(f"{target}: a figure ends in one of {', '.join(FORMATS)}")
    with telling(target, "write"):
        if target.is_dir():
            raise InputError(f"{target}: a folder; a figure needs a file's name")
        if not target.parent.is_dir():
            raise InputError(f"{target}: no such folder {target.parent}")
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise InputError(f"{target}: the folder {target.parent} can't be written to")
    return target


def save(figure: Figure, target: Any, suffix: str | None = None) -> None:
    """Write a figure as SVG, PDF or PNG to a path or an open binary file; equal figures, equal
    bytes. A path holds the whole figure or what it held before, whatever interrupts this.

    suffix: needed for an open file. Raises InputError for what `writable` refuses.
    """
    if suffix is not None:
        _write(figure, target, suffix)
        return
    path = writable(Path(target))
    with files.writing(path, durable=False) as file:
        _write(figure, file, path.suffix.lower())


@styled
def _write(figure: Figure, file: Any, suffix: str) -> None:
    dates: dict[str, dict[str, str | None]] = {
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        ".png": {"Software": None},
    }
    # Laid out here, with texts as the format's own writer measures them: savefig, where a figure
    # has a layout engine, draws it all once more for that.
    engine, dpi, canvas = figure.get_layout_engine(), figure.dpi, figure.canvas
    figure.set_canvas(get_registered_canvas_class(suffix[1:])(figure))
    if engine is not None:
        figure.dpi = _DOTS if suffix == ".png" else _POINTS
        engine.execute(figure)
        figure.set_layout_engine(None)
    out = io.BytesIO()
    try:
        figure.savefig(out, format=suffix[1:], metadata=dates[suffix], dpi=_DOTS)
    finally:
        figure.dpi = dpi
        figure.set_canvas(canvas)
        figure.set_layout_engine(engine)
    written = out.getvalue()
    file.write(compact(written.decode()).encode() if suffix == ".svg" else written)
