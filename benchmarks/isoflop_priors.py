"""What the isoFLOP model's stated priors are worth: each halved and doubled, on the clean tables.

    python benchmarks/isoflop_priors.py [--data ../shared/data]

For each constant: interval scores of losses and of N_opt (means over the three distances), and the
same where its value (half, ours or double) is chosen by the other families only, each left out in
turn. Where the last column is no better than ours, the constant isn't tuned to a table.

Then, for each family, scores over those of the values BEFORE the present ones. These were chosen on
such tables, so that a gain says little; that no family loses much says more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rollout import SCORED, bare, experiments, roll

from scaling.forecast.forecasters import get
from scaling.forecast.isoflop import model as isoflop
from scaling.forecast.isoflop import profiles
from scaling.forecast.rollouts.scores import loss_cells, size_cells

# what it is, where it lives, and its entry (of a prior's median, or of an array; None: a number)
CONSTANTS: tuple[tuple[str, ModuleType, str, int | None], ...] = (
    ("departure from the rule, sd", isoflop, "_DEPARTURE", 1),
    ("scatter of N_opt", isoflop, "_N_SCATTER", 1),
    ("g", isoflop, "_G", 1),
    ("bend of the frontier", isoflop, "_BEND", 1),
    ("scatter of the loss", isoflop, "_L_SCATTER", 1),
    ("sd of E and the reducible loss", isoflop, "_TERM_SD", None),
    ("sd of the shape's ln alpha", profiles, "SHAPE_SD", 1),
    ("sd of the shape's ln beta", profiles, "SHAPE_SD", 2),
    ("sd of the shape's drift", profiles, "SHAPE_SD", 3),
    ("the shape's own error", profiles, "_ELEVATION", None),
    ("rows' noise", profiles, "_NOISE", None),
)
# What to multiply by for the values that were stated before.
BEFORE = {
    "departure from the rule, sd": 2.0,
    "scatter of the loss": 2.0,
    "rows' noise": 2.0,
    "bend of the frontier": 0.5,
}


@contextmanager
def scaled(module: ModuleType, name: str, entry: int | None, factor: float) -> Iterator[None]:
    """The constant times a factor, for a while."""
    before: Any = getattr(module, name)
    if entry is None:
        after: Any = before * factor
    elif isinstance(before, np.ndarray):
        after = before.copy()
        after[entry] *= factor
    else:
        grid, (median, sd) = before
        after = (grid, (median * factor, sd))
    setattr(module, name, after)
    try:
        yield
    finally:
        setattr(module, name, before)


def by_family(data: Path, draws: int) -> pd.DataFrame:
    """Interval scores of losses (%) and of N_opt (log10), one row a family."""
    found = [
        (item, bare(roll(item, [get("isoflop")], draws)))
        for item in experiments(data)
        if item.group == "clean"
    ]
    columns = {}
    for name, score in (("loss_score", loss_cells), ("size_score", size_cells)):
        cells = pd.concat(
            score(r).assign(family=e.family, experiment=e.name) for e, r in found
        ).dropna(subset=[name])
        cells = cells[cells["bin"].isin(SCORED)]
        means = cells.groupby(["family", "bin", "experiment"], observed=True)[name].mean()
        columns[name] = means.groupby(["family", "bin"], observed=True).mean()
    return pd.DataFrame(columns).groupby("family").mean()


def main(
    data: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path(
        "../shared/data"
    ),
    draws: Annotated[int, typer.Option(min=20, help="Draws of each forecast.")] = 500,
) -> None:
    """Halve and double each constant, and choose it without each family."""
    ours = by_family(data, draws)
    print("| constant | half | ours | double | chosen by other families |")
    print("| --- | --- | --- | --- | --- |")
    for words, module, name, entry in CONSTANTS:
        tried = [ours]
        for factor in (0.5, 2.0):
            with scaled(module, name, entry, factor):
                tried.append(by_family(data, draws))
        chosen = []
        for family in ours.index:
            others = [(t.drop(index=family) / ours.drop(index=family)).mean() for t in tried]
            best = int(np.argmin([own.mean() for own in others]))
            chosen.append(tried[best].loc[family])
        columns = [t.mean() for t in (tried[1], ours, tried[2], pd.DataFrame(chosen))]
        cells = [f"{c.loss_score:.2f} % / {c.size_score:.3f}" for c in columns]
        print(f"| {words} | " + " | ".join(cells) + " |", flush=True)
    print("\n| now / before | " + " | ".join(ours.index) + " |")
    print("| --- |" + " --- |" * len(ours))
    for label, names in [(name, [name]) for name in BEFORE] + [("all four", list(BEFORE))]:
        with ExitStack() as stack:
            for words, module, name, entry in CONSTANTS:
                if words in names:
                    stack.enter_context(scaled(module, name, entry, BEFORE[words]))
            ratio = ours / by_family(data, draws)
        cells = [f"{c.loss_score:.2f} / {c.size_score:.2f}" for c in ratio.itertuples()]
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    typer.run(main)
