"""How well curves are foretold: our default against the published laws, on published curves.

    python benchmarks/extrapolation.py [--data ../shared/data] [--extension] [--inside]
                                       [--draws 100] [--json]

Rows with split "fit" are fitted, rows with split "extrapolate" scored: RMSLE of each task, then
means over tasks. Geometric mean ratio to M4, and share of tasks won over one-break BNSL, do not let
one hard task rule. Coverage and mean interval score (of ln loss; lower is better) are of nominal
90 % intervals of an observation: for the published laws a bootstrap over rows with a resampled
residual, from `--draws` refits. "flat" foretells the loss of the last fitted point. Nothing here is
tuned on the extension. With `--inside` each curve ends one horizon below its last fitted point, and
the fitted rows beyond that are scored: what its own rows would have said of the methods.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from scaling.extrapolate import Curve, curves, forecast_curve, interval_score, rmsle
from scaling.extrapolate.published import METHODS, published
from scaling.table import read_table

OURS, FLAT = "ours", "flat"
DEV, EXTENSION = "extrapolation_dev.csv", "extrapolation_dev_extension.csv"

_ENOUGH = 6  # distinct x: one more than M4 has parameters

# of one task: RMSLE, coverage, interval score; NaN where a law could not be fitted
Score = tuple[float, float, float]


def main(
    data: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path(
        "../shared/data"
    ),
    extension: Annotated[bool, typer.Option(help="The extension's curves, not DEV.")] = False,
    inside: Annotated[bool, typer.Option(help="Score fitted rows, from a cut inside.")] = False,
    draws: Annotated[int, typer.Option(help="Bootstrap refits of each published law.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the comparison."""
    given = curves(
        read_table(data / (EXTENSION if extension else DEV)), group="task", split="split"
    )
    if inside:
        given = [part for part in map(cut, given) if part is not None]
    err = Console(stderr=True)
    began = time.perf_counter()
    scores: dict[str, list[Score]] = {
        OURS: [ours(curve) for curve in track(given, "ours", console=err)]
    }
    seconds = time.perf_counter() - began
    others = [published(curve, draws=draws) for curve in track(given, "published", console=err)]
    for name in METHODS:
        scores[name] = [
            score(curve, law[name].prediction, law[name].q05, law[name].q95)
            for curve, law in zip(given, others, strict=True)
        ]
    suites = np.array([curve.group.split("|")[0] for curve in given])
    scores[FLAT] = [score(c, np.full(len(c.at), c.loss[c.x.argmax()]), None, None) for c in given]
    rows = [summary(name, scores, suites) for name in (FLAT, *METHODS, OURS)]
    if as_json:
        print(json.dumps({"seconds": seconds, "methods": rows}, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "method" else "right")
    for row in rows:
        table.add_row(*(f"{v:.4f}" if isinstance(v, float) else v for v in row.values()))
    console = Console(width=200, highlight=False)
    console.print(table)
    console.print(f"ours: {seconds:.1f} s for {len(given)} curves, intervals included")


def cut(curve: Curve) -> Curve | None:
    """The curve as it was one horizon below its last fitted point; None with too few left to fit
    every law."""
    last = curve.x.max()
    known = curve.x <= last * last / curve.at.max()
    if known.all() or len(np.unique(curve.x[known])) < _ENOUGH:
        return None
    fitted, ahead = (curve.x[known], curve.loss[known]), (curve.x[~known], curve.loss[~known])
    return Curve(curve.group, *fitted, *ahead)


def ours(curve: Curve) -> Score:
    found = forecast_curve(curve, check=False)
    return score(curve, found.prediction, found.q05, found.q95)


def score(curve: Curve, point: Any, low: Any, high: Any) -> Score:
    if point is None:
        return np.nan, np.nan, np.nan
    error = rmsle(point, curve.truth)
    if low is None:
        return error, np.nan, np.nan
    inside = (low <= curve.truth) & (curve.truth <= high)
    return error, float(inside.mean()), interval_score(low, high, curve.truth)


def summary(name: str, scores: Mapping[str, Sequence[Score]], suites: np.ndarray) -> dict[str, Any]:
    """One line of the table; means are over the tasks that the law could be fitted to."""
    error, inside, interval = np.array(scores[name]).T
    m4, bnsl = (np.array(scores[other]).T[0] for other in ("m4", "bnsl1"))
    both, either = np.isfinite(error + m4), np.isfinite(error + bnsl)
    row: dict[str, Any] = {
        "method": name,
        "tasks": f"{np.isfinite(error).sum()}",
        "mean": mean(error),
        "median": float(np.nanmedian(error)),
        "ratio to M4": float(np.exp(np.mean(np.log(error[both] / m4[both])))),
        "beats BNSL": float(np.mean(error[either] < bnsl[either])),
    }
    row |= {suite: mean(error[suites == suite]) for suite in np.unique(suites)}
    row |= {"coverage": mean(inside), "interval score": mean(interval)}
    row |= {f"cov. {suite}": mean(inside[suites == suite]) for suite in np.unique(suites)}
    return row


def mean(values: np.ndarray) -> float | None:
    """Of those that are numbers, where there are any."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


if __name__ == "__main__":
    typer.run(main)
