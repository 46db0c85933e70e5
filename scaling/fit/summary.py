"""A fit in plain text, to be quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scaling.fit.result import Fit


def summary(fit: Fit) -> str:
    """Parameters with errors and 90 % intervals, exponents, objective, residuals, status."""
    errors = fit.standard_errors()
    lines = [
        f"{fit.law.name}: L = {fit.law.formula}   (N is column {fit.n_column}, "
        f"{fit.conventions['N_kind']}; loss in {fit.conventions['L_kind']})",
        f"{fit.n_rows} rows, {fit.n_clusters} clusters by {fit.cluster_by}, {fit.source}",
    ]
    for name, value in fit.params.items():
        if name in fit.fixed:
            lines.append(f"  {name:<6} {value:<12.6g} fixed")
        else:
            lines.append(f"  {name:<6} {value:<12.6g} {spread(fit, name, errors[name])}")
    for name, draws in fit.exponents().items():
        error = float(draws.draws.std(ddof=1)) if len(draws.draws) > 1 else float("nan")
        power = "N_opt ~ C^a" if name == "a" else "D_opt ~ C^b"
        lines.append(
            f"  {name:<6} {float(draws.point):<12.6g} {spread(fit, name, error)}  {power}, C = 6ND"
        )
    lines += [
        f"objective {fit.objective} on {fit.on}: {fit.value:.12g}, engine {fit.engine}",
        residual_line(fit),
        f"status: {fit.status}",
        *(f"note: {note}" for note in fit.diagnostics.weak),
        *fit.left_out,
    ]
    return "\n".join(lines)


def spread(fit: Fit, name: str, error: float) -> str:
    """`+- standard error  [q05, q95]`, or that there are no draws."""
    if not np.isfinite(error):
        return "(no draws)"
    low, high = fit.interval(name)
    return f"+- {error:<9.3g} [{low:.6g}, {high:.6g}]"


def residual_line(fit: Fit) -> str:
    """Root mean square, median and worst residual; in per cent where they are of log loss."""
    size = np.abs(fit.residuals)
    unit, factor = ("%", 100.0) if fit.on == "log_loss" else ("nats", 1.0)
    rms = float(np.sqrt((size**2).mean()))
    return (
        f"residuals: rms {factor * rms:.3g} {unit}, median {factor * float(np.median(size)):.3g} {unit}, "
        f"largest {factor * float(size.max()):.3g} {unit}"
    )
