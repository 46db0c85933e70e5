"""A fit on the terminal: tables that stay readable without colour and through a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import RenderableType
from rich.table import Table

from scaling.fit.approaches import Allocation
from scaling.fit.prediction import Draws
from scaling.fit.result import Fit, GroupFit
from scaling.fit.summary import heading, notes

if TYPE_CHECKING:
    from scaling.fit.profile import Profile


def tables(
    fit: Fit, others: Sequence[Allocation] = (), refused: Sequence[str] = ()
) -> Iterator[RenderableType]:
    """The fit, with other approaches beside it and why those refused do not apply."""
    yield "\n".join(heading(fit))
    yield _parameters(fit)
    exponents = fit.exponents()
    if exponents:
        yield _allocations(fit, exponents, others)
    yield from refused
    yield "\n".join(notes(fit))


def profile_table(profiles: Sequence[Profile]) -> Iterator[RenderableType]:
    """Each profiled quantity with its interval; nothing without any."""
    if not profiles:
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("profile")
    table.add_column("estimate", justify="right")
    table.add_column(f"{100 * profiles[0].level:g} % likelihood interval")
    for item in profiles:
        table.add_row(item.label, f"{item.estimate:.6g}", item.words())
    yield table
    for item in profiles:
        if item.status != "converged":
            yield f"profile of {item.label}: {item.status}"
    yield f"likelihood ratios calibrated by the {profiles[0].calibration}"


def group_tables(found: GroupFit) -> Iterator[RenderableType]:
    """Each group's parameters, then what holds for all of them."""
    first = next(iter(found.fits.values()))
    yield f"{first.law.name}: L = {first.law.formula}; shared: {', '.join(found.share)}"
    for name, fit in found.fits.items():
        yield f"{found.by} = {name}: {fit.n_rows} rows"
        yield _parameters(fit)
    yield "\n".join(notes(first))


def _parameters(fit: Fit) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("parameter", "estimate", "std. error", "90 % interval"):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    errors = fit.standard_errors()
    for name, value in fit.params.items():
        if name in fit.fixed:
            table.add_row(name, f"{value:.6g}", "fixed", "")
        elif np.isfinite(errors[name]):
            low, high = fit.interval(name)
            table.add_row(name, f"{value:.6g}", f"{errors[name]:.3g}", f"{low:.6g} to {high:.6g}")
        else:
            table.add_row(name, f"{value:.6g}", "no draws", "")
    return table


def _allocations(fit: Fit, exponents: dict[str, Draws], others: Sequence[Allocation]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("approach", "a: N_opt ~ C^a", "b: D_opt ~ C^b", "C"):
        table.add_column(name)
    table.add_row(f"3 ({fit.law.name})", _spread(exponents["a"]), _spread(exponents["b"]), "6ND")
    for item in others:
        number = item.name.removeprefix("approach_")
        table.add_row(f"{number} ({item.notes[0]})", _spread(item.a), _spread(item.b), item.c_kind)
    return table


def _spread(value: Draws) -> str:
    low, high = value.interval()
    if len(value.draws) == 0:
        return f"{float(value.point):.4f}"
    return f"{float(value.point):.4f} [{float(low):.4f}, {float(high):.4f}]"
