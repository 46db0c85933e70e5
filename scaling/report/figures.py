"""A study's figures as SVG that can stand beside others in one page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from scaling import plot
from scaling.errors import InputError
from scaling.plot.registry import FIGURES
from scaling.plot.style import gid
from scaling.report import svg
from scaling.report.embed import embed
from scaling.report.linked import Linked
from scaling.report.points import points
from scaling.report.pooled import Pooled
from scaling.report.sentences import sentences
from scaling.report.study import Study
from scaling.report.thinning import drawn
from scaling.table import FAMILY
from scaling.units import unit_of_d

_SCREEN = 1.55  # pixels of the page for a point of the figure, where there is room


@dataclass(frozen=True)
class Shown:
    """A figure in the page: its drawing, or the reason why there is none.

    told: what it shows of this study; caption: how it is read.
    """

    svg: Markup | None
    caption: str
    reason: str = ""
    points: Markup | str = ""  # what its markers are, for the page's scripts
    told: str = ""


ORDER = (
    "loss_curves", "isoflop", "slices", "residuals", "frontier", "envelope", "proof", "families",
    "cost",
)  # fmt: skip
_LAW = ("isoflop", "slices", "residuals", "frontier", "envelope")
CAPTIONS = {name: FIGURES[name].reading for name in ORDER}


def figures(study: Study, linked: Linked) -> dict[str, Shown]:
    """Every figure of the report by name; of several families some carry the family's too."""
    table, fit, rows = study.table, study.fit, study.records
    draws: dict[str, Callable[[], Figure]] = {}
    if table is not None and study.kind == "study" and not study.families:
        column = fit.n_column if fit is not None else "N"
        draws["loss_curves"] = lambda: plot.loss_curves(table, study.curves, N=column)
    if rows:
        draws["cost"] = lambda: plot.cost(rows)
    if study.verdicts:
        draws["proof"] = lambda: plot.proof(study.verdicts, kind=study.verdicts[0].l_kind)
    if study.views:
        draws["families"] = lambda: plot.families(study.views)
    nothing = "there is no fitted law"
    if fit is not None and fit.law.response != "loss":  # the axes of these figures are a loss's
        nothing = f"law {fit.law.name} is of {fit.law.response}, not of a loss"
    elif fit is not None:
        draws |= _of_law(fit, study)
    why = dict.fromkeys(CAPTIONS, nothing)
    why |= {"loss_curves": "no run is finished", "cost": "no run is finished"}
    why |= {"proof": "no forecast was written", "families": "the study is of one family"}
    units = unit_of_d(study.kinds["D_kind"])
    shown = {
        name: _shown(name, draws[name], caption.replace("tokens", units), linked)
        if name in draws
        else Shown(None, "", why[name])
        for name, caption in CAPTIONS.items()
    }
    for run, curve in study.telemetry.items():
        shown[f"telemetry-{run}"] = _of_run(study, run, curve)
    for family in study.families:
        for name, draw in _of_family(study, family).items():
            caption = f"{family}: {CAPTIONS[name].replace('tokens', units)}"
            shown[f"{name}-{family}"] = _shown(gid(name, family), draw, caption, linked)
    told = sentences(study)
    return {name: replace(one, told=_told(told.get(name, ""), name, study))
            for name, one in shown.items()}  # fmt: skip


def _told(sentence: str, name: str, study: Study) -> str:
    """What a figure shows, and which runs it draws where these are not all."""
    family = name.partition("-")[2]
    fit = study.fits.get(family) if family else study.fit
    chosen = "" if fit is None or name.partition("-")[0] not in _LAW else drawn(fit)[1]
    return " ".join(filter(None, (sentence, chosen)))


def _of_law(fit: Pooled, study: Study) -> dict[str, Callable[[], Figure]]:
    """The figures of one law."""
    fit, _ = drawn(fit)
    counted = fit.cost.kind == "counted"  # else a target's C is of another kind than the axis
    targets = study.verdicts if counted else []
    return {
        "isoflop": lambda: plot.isoflop(fit),
        "slices": lambda: plot.slices(fit),
        "residuals": lambda: plot.residuals(fit),
        "frontier": lambda: plot.frontier(fit, targets),
        "envelope": lambda: plot.envelope(fit),
    }


def _of_family(study: Study, family: str) -> dict[str, Callable[[], Figure]]:
    """The figures of one of several families."""
    table = study.table
    assert table is not None  # families are the table's
    fit = study.fits.get(family)
    own = table[table[FAMILY] == family]
    column = study.rule.N
    draws = {}
    if study.kind == "study":
        draws["loss_curves"] = lambda: plot.loss_curves(own, study.curves, N=column)
    if fit is not None:
        draws["residuals"] = lambda: plot.residuals(drawn(fit)[0])
    return draws


def _of_run(study: Study, run: str, curve: pd.DataFrame) -> Shown:
    """The telemetry of a run that was not well."""
    record = next(r for r in study.records if r["run"] == run)
    caption = (
        f"What cell {run} told of itself. Dotted lines mark where each finding began; blocks go "
        "from dark (first) to light (last)."
    )
    return _shown(gid("telemetry", run), lambda: plot.telemetry(curve, record["findings"]), caption)


def _shown(
    name: str, draw: Callable[[], Figure], caption: str, runs: Linked | None = None
) -> Shown:
    try:
        figure = draw()
        # the caption stands below: what a reader who cannot see it needs first is what it shows
        drawing = inline(figure, name, "Chart. " + caption.split(". ")[0])
        told = points(figure, name, runs)
        return Shown(drawing, caption, points=embed(f"points-{name}", told))
    except InputError as error:
        return Shown(None, "", str(error))


def inline(figure: Figure, prefix: str, alt: str) -> Markup:
    """The figure as one `<svg>` element that needs nothing outside it: its ids carry the prefix."""
    buffer = io.BytesIO()
    plot.save(figure, buffer, ".svg")
    head, body = buffer.getvalue().decode().split("<svg", 1)[1].split(">", 1)
    box, width = re.search(r'viewBox="[^"]*"', head), re.search(r'width="([\d.]+)pt"', head)
    assert box is not None  # matplotlib writes both
    assert width is not None
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.S)
    body = re.sub(r"<style\b.*?</style>\s*", "", body, flags=re.S)  # the root's attributes say it
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.S)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = body.replace('xlink:href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    body = svg.paths(svg.attributes(body))
    root = " ".join(f'{name}="{value}"' for name, value in svg.ROOT.items())
    label = Markup.escape(alt)
    # safe: matplotlib escapes the text that it draws
    return Markup(
        f'<svg {box[0]} width="{_SCREEN * float(width[1]):.0f}" {root} role="img" '
        f'aria-label="{label}">{body}'
    )
