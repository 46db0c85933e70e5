"""Runs that could be trained next: cells of a grid, rows of a file, or a table's own ladder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling.cost import Cost
from scaling.errors import InputError
from scaling.forecast.designs.design import Candidate
from scaling.forecast.rows import Rows
from scaling.grid import Cell
from scaling.table import check_table, read_table

_SIZES, _LENGTHS = 24, 32  # of a table's own ladder
_SHAPES = 0.02, 0.98  # quantiles of the table's D / N between which its ladder's runs lie
_COUNTS = "N", "N_total", "N_active"
_KNOWN = 0.03  # of ln N and ln D: a run so near to one of the table is that one


def of_cells(cells: Sequence[Cell], table: pd.DataFrame | None, N: str) -> list[Candidate]:
    """The pilots of a grid that the table doesn't have, of its family; C of each trained alone.

    Raises InputError where that leaves none; for cells of several families without a table that
    says which; for images or pairs without a table, since published priors are of language models.
    """
    if N not in _COUNTS:
        raise InputError(f"--n {N}: valid for a grid's cells: {', '.join(_COUNTS)}")
    pilots = [cell for cell in cells if cell.role == "pilot"]
    known = set() if table is None or "run" not in table else set(table["run"])
    wanted = {cell.family for cell in pilots}
    if table is not None and "family" in table:
        wanted &= set(table["family"])
    if len(wanted) != 1:
        held = ", ".join(sorted({cell.family for cell in pilots}))
        raise InputError(
            f"the grid's pilots are of {held or 'no family'}; a design is of one, the table's"
        )
    other = {cell.unit for cell in pilots if cell.family in wanted} - {"token"}
    if table is None and other:
        raise InputError(
            f"D counts {other.pop()}s, and published priors are of language models: a design for "
            "these needs a table"
        )
    found = [
        Candidate(float(cell.facts()[N]), float(cell.D), float(cell.C), cell.id)
        for cell in pilots
        if cell.family in wanted and cell.id not in known
    ]
    if not found:
        raise InputError("every pilot of the grid is in the table; give a grid with others, too")
    return found


def of_file(path: Path, cost: Cost, N: str) -> list[Candidate]:
    """The rows of a table of N, D and perhaps C (else by the table's cost), `run` their key."""
    given = read_table(path)
    check_table(given, (N, "D", *(["C"] if "C" in given else [])))
    n, d = (given[k].to_numpy(dtype=float) for k in (N, "D"))
    c = given["C"].to_numpy(dtype=float) if "C" in given else cost.flops_per_token(n) * d
    keys = given["run"].astype(str) if "run" in given else [""] * len(given)
    chosen = zip(n.tolist(), d.tolist(), c.tolist(), keys, strict=True)
    return [Candidate(*run) for run in chosen]


def of_ladder(
    rows: Rows, budget: float, nearest: Callable[[float], Mapping[str, Any]] | None = None
) -> list[Candidate]:
    """Sizes and lengths of the table's own kind, between its least and as far up as the budget
    reaches, of its tokens per parameter. nearest: from a size to a buildable configuration.

    Raises InputError where the budget is below the least of them.
    """
    low, high = np.quantile(rows.D / rows.N, _SHAPES)
    reach = max(1.0, (budget / float(rows.C[-1])) ** 0.5)
    sizes = np.geomspace(rows.N.min(), rows.N.max() * reach, _SIZES)
    built = [] if nearest is None else [nearest(size) for size in sizes]
    if shapes := [float(shape[rows.n_column]) for shape in built if rows.n_column in shape]:
        sizes = np.unique(shapes)  # of those that can be built
    lengths = np.geomspace(rows.D.min(), rows.D.max() * reach, _LENGTHS)
    N, D = (v.ravel() for v in np.meshgrid(sizes, lengths, indexing="ij"))
    inside = np.abs(np.log(D / N) - np.log(low * high) / 2) <= np.log(high / low) / 2 + _KNOWN
    same = (np.abs(np.log(N[:, None] / rows.N)) < _KNOWN) & (
        np.abs(np.log(D[:, None] / rows.D)) < _KNOWN
    )
    C = rows.cost.flops_per_token(N) * D
    new = inside & ~same.any(axis=1)
    if not (new & (budget >= C)).any():
        raise InputError(
            f"pilot budget of {budget:.4g} FLOPs: the cheapest run of {rows.source}'s own kind "
            f"takes {C[new].min():.4g}"
        )
    new &= budget >= C
    return [
        Candidate(*run)
        for run in zip(N[new].tolist(), D[new].tolist(), C[new].tolist(), strict=True)
    ]
