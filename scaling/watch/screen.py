"""A view of a study as a terminal shows it: at any width, and without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from scaling.amounts import quantity
from scaling.fit import Fit
from scaling.forecast import proof
from scaling.sweep.standing.words import of_cell, of_left
from scaling.units import loss_unit
from scaling.watch.drawing import ASCII, UNICODE, Pen
from scaling.watch.law import Forecast, SoFar, Trail
from scaling.watch.study import Trunk, View

_WIDE = 150  # columns from which the law stands beside the runs
_TRUNKS, _ILL, _AIMS, _FORECASTS = 8, 5, 3, 5  # shown of each
_CURVE, _AXIS = 24, 30  # columns, at most


def page(view: View, console: Console) -> RenderableType:
    """All of a view. console: its width, and whether it shows more than ASCII."""
    pen = UNICODE if console.encoding.lower().startswith("utf") else ASCII
    if view.state == "not begun":
        return Group(_head(view), _lines(
            f"no study has begun here yet: `scaling run GRID --out {view.folder}` begins one"
        ))  # fmt: skip
    wide = console.width >= _WIDE
    width = console.width // 2 - 2 if wide else console.width
    runs = Group(*_of_runs(view, pen, width))
    law = Group(*_of_law(view, pen, width))
    if not wide:
        return Group(_head(view), runs, law)
    sides = Table.grid(padding=(0, 4, 0, 0), expand=True)
    sides.add_column(ratio=1)
    sides.add_column(ratio=1)
    sides.add_row(runs, law)
    return Group(_head(view), sides)


def _head(view: View) -> RenderableType:
    name = view.status.name if view.sight.status is not None else ""
    head = Text(" ".join(filter(None, (_safe(name), _safe(view.folder)))), style="bold")
    return Text.assemble(head, f"  {view.at.astimezone():%H:%M:%S}")


def _of_runs(view: View, pen: Pen, width: int) -> Iterator[RenderableType]:
    status = view.status
    if view.state == "empty":
        yield _lines("no cells are planned")
        return
    have = status.planned - status.left.cells
    share = have / status.planned
    yield Text(f"{pen.bar(share, 24)} {have:,} of {status.planned:,} cells done")
    yield _lines(str(status))
    if view.state == "done":
        failed = status.counts.get("failed", 0)
        again = f"; {failed:,} failed: another `scaling run` tries them again" if failed else ""
        yield _lines(f"done: nothing is left to train{again}")
    else:
        yield _lines(*of_left(status.left))
    if view.rates is not None:
        steps, units = view.rates
        yield _lines(f"{quantity(steps)} steps/s, {quantity(units)} {view.learnt.units}/s in all")
    alive = [one for one in view.trunks if one.now.alive]
    if alive:
        yield _title("Running")
        yield _running(alive, view.learnt.units, pen, width)
    wrong = [
        f"stale  {_named(one)}: its holder is gone, or silent; the next worker takes it over"
        for one in view.trunks
        if not one.now.alive
    ]
    wrong += [f"damaged  {one.id}: {one.why}" for one in status.quarantined]
    wrong += [" ".join(of_cell(cell, every=False)) for cell in status.ill]
    if wrong:
        yield _title("Not well")
        yield _lines(*wrong[:_ILL], style="red")
        if len(wrong) > _ILL:
            yield _lines(f"and {len(wrong) - _ILL:,} more: `scaling status {view.folder} --all`")


def _running(trunks: Sequence[Trunk], units: str, pen: Pen, width: int) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("cell", no_wrap=True)
    for name in ("step", "loss", "steps/s", f"{units}/s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("loss seen", no_wrap=True)
    room = max(6, min(_CURVE, width - 60))
    for one in trunks[:_TRUNKS]:
        now = one.now
        table.add_row(
            Text(_safe(_named(one))),
            "-" if now.step is None else f"{now.step:,}" + (f"/{now.steps:,}" if now.steps else ""),
            "-" if now.loss is None else f"{now.loss:.4g}",
            _rate(now.steps_per_second),
            _rate(one.units_per_second),
            pen.curve(one.losses, room),
        )
    more = len(trunks) - _TRUNKS
    return Group(table, _lines(f"and {more:,} more")) if more > 0 else table


def _named(trunk: Trunk) -> str:
    cell = trunk.cell
    if not cell:
        return trunk.now.trunk
    return f"{cell['family']} N {quantity(cell['N'])} seed {cell['seed']}"


def _of_law(view: View, pen: Pen, width: int) -> Iterator[RenderableType]:
    learnt, so_far = view.learnt, view.learnt.so_far
    if not len(view.sight.found.rows):
        yield _title("Law so far")
        yield _lines("none: no cell is finished")
        return
    yield _title(f"Law so far (rule: {learnt.rule_from})")
    if so_far.why:
        yield _lines(f"none: {so_far.why}")
    several = len(so_far.laws) > 1
    for law in so_far.laws:
        whose = f"{law.family}: " if several else ""
        if law.why:
            yield _lines(f"{whose}none by {law.runs:,} runs: {law.why}")
        for fit in law.members:
            yield _lines(f"{whose}{_law(fit)}")
            if not fit.status.startswith("converged") or "warning" in fit.status:
                yield _lines(f"  {fit.status}")
        if law.at:
            yield _lines(f"  last changed by a run trained at {_when(law.at, view.at)}")
    yield from _forecasts(view, so_far, pen, width, several)
    if learnt.verdicts:
        yield _title("Forecast that was written before its targets were trained")
        yield _lines(*proof.told(learnt.verdicts))
    yield _lines(*learnt.notes, style="red")


def _law(fit: Fit) -> str:
    """A fit in a line, each parameter with its 90 % interval."""
    told = []
    for name, value in fit.params.items():
        low, high = fit.interval(name)
        within = "fixed" if name in fit.fixed else f"[{low:.3g}, {high:.3g}]"
        told.append(f"{name} {value:.4g} {within}")
    runs = f"{fit.n_rows:,} runs, {len(fit.draws)} draws"
    return f"L = {fit.law.formula} (N is {fit.n_column}; {runs}): {', '.join(told)}"


def _forecasts(
    view: View, so_far: SoFar, pen: Pen, width: int, several: bool
) -> Iterator[RenderableType]:
    if not so_far.trails:
        return
    unit = loss_unit((so_far.kinds or {}).get("L_kind", "")).replace(" per ", "/")
    yield _title("Forecast so far, and how it moved: loss of one run, 90 % interval")
    # the largest of what is asked first
    trails = sorted(so_far.trails, key=lambda trail: -trail.aim.goal.C)
    for trail in trails[:_AIMS]:
        whose = f"{trail.aim.family}, " if several else ""
        best = "" if trail.aim.goal.N else ", best N and D"
        now = trail.forecasts[-1]
        yield _lines(
            f"{whose}{trail.aim.told} ({trail.aim.goal.C:.3g} FLOPs, {now.ratio:.3g}x the largest "
            f"run fitted{best}): {now.seen.loss:.4f} {unit}".rstrip()
        )
        yield _moved(trail, view.at, pen, width)
    if len(trails) > _AIMS:
        yield _lines(f"and {len(trails) - _AIMS:,} more (--json tells of all)")


def _moved(trail: Trail, now: datetime, pen: Pen, width: int) -> RenderableType:
    """The forecasts by ever more runs, their intervals on one axis."""
    shown = _spread(trail.forecasts)
    axis = min(one.seen.q05 for one in shown), max(one.seen.q95 for one in shown)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for name in ("  runs", "until", "loss", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    room = max(8, min(_AXIS, width - 52))
    for one in shown:
        seen = one.seen
        ends = seen.q05, min(max(seen.loss, seen.q05), seen.q95), seen.q95
        table.add_row(
            f"{one.runs:,}", _when(one.at, now), f"{seen.loss:.4f}",
            f"{seen.q05:.4f} to {seen.q95:.4f}", pen.interval(ends, axis, room),
        )  # fmt: skip
    return table


def _spread(found: Sequence[Forecast]) -> list[Forecast]:
    """The first, the last, and some between."""
    if len(found) <= _FORECASTS:
        return list(found)
    step = (len(found) - 1) / (_FORECASTS - 1)
    return [found[round(number * step)] for number in range(_FORECASTS)]


def _rate(value: float | None) -> str:
    return "-" if value is None else quantity(value)


def _when(iso: str, now: datetime) -> str:
    """A time as it is here: of today the hours alone."""
    try:
        at = datetime.fromisoformat(iso).astimezone()
    except ValueError:
        return "-"
    return f"{at:%H:%M:%S}" if at.date() == now.astimezone().date() else f"{at:%Y-%m-%d %H:%M}"


def _title(text: str) -> RenderableType:
    return Group(Text(), Text(_safe(text), style="bold"))


def _lines(*lines: str, style: str = "") -> RenderableType:
    return Text("\n".join(map(_safe, lines)), style=style) if lines else Group()


def _safe(text: str) -> str:
    """Names and reasons may hold anything, even what a terminal obeys."""
    return "".join(c if c.isprintable() else "�" for c in text)
