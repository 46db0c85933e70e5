"""Which trunks of a sweep train together, as one program. No JAX: the driver decides it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from scaling.grid import Cell, canonical_json

# Members of one program, at most.
LARGEST = 16


def cohorts(groups: Sequence[Sequence[Cell]]) -> list[list[Sequence[Cell]]]:
    """Groups (the cells of one trunk each) that share all but seed and learning rate, in the order
    of the first of each."""
    alike: dict[str, list[Sequence[Cell]]] = defaultdict(list)
    for cells in groups:
        alike[_likeness(cells)].append(cells)
    return [
        members[first : first + LARGEST]
        for members in alike.values()
        for first in range(0, len(members), LARGEST)
    ]


def _likeness(cells: Sequence[Cell]) -> str:
    facts, one = cells[0].trunk_facts(), cells[0]
    if one.devices.count > 1:
        return one.trunk  # its devices are busy with it alone
    recipe = {k: v for k, v in facts["recipe"].items() if k != "learning_rate"}
    steps = [cell.steps for cell in cells]
    return canonical_json({**facts, "recipe": recipe, "seed": None, "steps": steps})
