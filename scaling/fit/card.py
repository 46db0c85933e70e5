"""A fit as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaling import card
from scaling.fit.summary import heading, notes

if TYPE_CHECKING:
    from scaling.fit.result import Fit, GroupFit

_POWERS = {"a": "a: N_opt ~ C^a under 6ND", "b": "b: D_opt ~ C^b under 6ND"}


def fit_card(fit: Fit) -> str:
    """Formula, parameters with intervals, status with its warnings, and what it was fitted to."""
    values = {**fit.params, **{name: float(d.point) for name, d in fit.exponents().items()}}
    rows = [(_POWERS.get(name, name), f"{value:.6g}", _ends(fit, name))
            for name, value in values.items()]  # fmt: skip
    state, *warnings = fit.status.split("; warning: ")
    if not fit.converged:
        state, warnings = "", [state, *warnings]
    _, about = heading(fit)
    *told, _ = notes(fit)  # the last is the status, which stands above
    return card.card(
        f"Fit of {fit.law.name} to {fit.n_rows} runs{f': {state}' if state else ''}",
        card.warned(warnings),
        card.code(f"L = {fit.law.formula}"),
        card.table(("parameter", "estimate", "90 % interval"), rows, "Parameters of the law"),
        card.said([about, *told]),
    )


def groups_card(found: GroupFit) -> str:
    """The fit of every group, with what they share."""
    title = f"One law over groups of {found.by}, which share {', '.join(found.share)}"
    groups = [f"{card.said([f'{found.by} = {name}'])}{fit_card(one)}"
              for name, one in found.fits.items()]  # fmt: skip
    return card.card(title, *groups)


def _ends(fit: Fit, name: str) -> str:
    if name in fit.fixed:
        return "fixed"
    if len(fit.draws) < 2:
        return "no draws"
    low, high = fit.interval(name)
    return f"{low:.6g} to {high:.6g}"
