"""A fit in plain text, to be quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaling.units import UNSTATED, loss_unit, unit_of_d

if TYPE_CHECKING:
    from scaling.fit.result import Fit


def summary(fit: Fit) -> str:
    """Parameters with errors and 90 % intervals, exponents, objective, residuals, status."""
    errors = fit.standard_errors()
    lines = []
    for name, value in fit.params.items():
        error = "fixed" if name in fit.fixed else _spread(fit, name, errors[name])
        lines.append(f"  {name:<6} {value:<12.6g} {error}")
    for name, draws in fit.exponents().items():
        deviation = float(draws.draws.std(ddof=1)) if len(draws.draws) > 1 else float("nan")
        power = "N_opt ~ C^a" if name == "a" else "D_opt ~ C^b"
        error = _spread(fit, name, deviation)
        lines.append(f"  {name:<6} {float(draws.point):<12.6g} {error}  ({power} under C = 6ND)")
    return "\n".join([*heading(fit), *lines, *notes(fit)])


def heading(fit: Fit) -> list[str]:
    """What was fitted to what, and under which conventions."""
    d_kind = fit.conventions.get("D_kind", UNSTATED)  # fits saved before it have none
    counts = "" if d_kind == UNSTATED else f"D counts {unit_of_d(d_kind)}, "
    return [
        f"{fit.law.name}: L = {fit.law.formula}",
        f"{fit.source}: {fit.n_rows} rows, {fit.n_clusters} clusters by {fit.cluster_by}; "
        f"N is column {fit.n_column} ({fit.conventions['N_kind']}), {counts}"
        f"loss is {fit.conventions['L_kind']}",
    ]


def notes(fit: Fit) -> list[str]:
    """Objective, residuals, status, reach, weak directions, rows left out: a line each."""
    found = fit.diagnostics
    spread = {name: (values.min(), values.max()) for name, values in fit.points.items()}
    ranges = ", ".join(f"{k} {low:.3g} to {high:.3g}" for k, (low, high) in spread.items())
    how = (
        f"objective: {fit.objective} on {fit.on} = {fit.value:.12g}; engine {fit.engine}, "
        f"{found.starts_agreeing} of {found.starts} starts agree, |gradient| "
        f"{found.gradient_norm:.1e}"
    )
    lines = [
        how if found.chains is None else f"posterior on {fit.on}: {found.chains}",
        _residual_line(fit),
        f"rows span: {ranges}",
    ]
    if fit.c_max > 0:
        lines.append(
            f"largest run: C = {fit.c_max:.4g} FLOPs ({fit.cost.kind}); a forecast at 10x that "
            "reaches 1 decade beyond the data"
        )
    if found.chains is not None:
        beliefs = "; ".join([*found.chains.prior, "all others are weak"])
        lines.append(f"prior, from published fits: {beliefs}")
    if found.other_minima:
        others = ", ".join(f"{v:.6g}" for v in found.other_minima[:3])
        lines.append(f"other minima: {others}")
    return [
        *lines,
        *(f"note: {note}" for note in found.weak),
        *fit.left_out,
        f"status: {fit.status}",
    ]


def _spread(fit: Fit, name: str, error: float) -> str:
    """`+- standard error [q05, q95]`, or that there are no draws."""
    if not np.isfinite(error):
        return "(no draws)"
    low, high = fit.interval(name)
    return f"+- {error:<9.3g} [{low:.6g}, {high:.6g}]"


def _residual_line(fit: Fit) -> str:
    """Root mean square, median and worst residual; in per cent where they are of log loss."""
    size = np.abs(fit.residuals)
    of_loss = loss_unit(fit.conventions["L_kind"]).partition(" ")[0]  # nats, bits; none of a share
    unit, factor = ("%", 100.0) if fit.on == "log_loss" else (of_loss, 1.0)
    space = f" {unit}" if unit else ""
    rms = float(np.sqrt((size**2).mean()))
    middle, worst = float(np.median(size)), float(size.max())
    return (
        f"residuals: rms {factor * rms:.3g}{space}, median {factor * middle:.3g}{space}, "
        f"largest {factor * worst:.3g}{space}"
    )
