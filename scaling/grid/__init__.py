"""A study's grid: a validated TOML file, and the cells it plans.

`load_grid(path)` -> `Grid`; `open_data(grid)` -> its data; `plan(grid, data)` -> `Cell`s, each one
fully resolved run.
"""

from scaling.grid.cells import (
    CHUNK_STEPS,
    RECIPE_VERSION,
    Cell,
    batch_of,
    canonical_json,
    resolved,
)
from scaling.grid.data import AnyData, open_data, unit_of
from scaling.grid.parse import load_grid, parse_grid
from scaling.grid.planning import plan, to_tune
from scaling.grid.spec import (
    Axes,
    Data,
    Devices,
    Grid,
    Model,
    Place,
    Proof,
    Recipe,
    Recovery,
    Rival,
    Section,
    Tune,
)
from scaling.grid.tuning import Rung, rungs

__all__ = [
    "CHUNK_STEPS",
    "RECIPE_VERSION",
    "AnyData",
    "Axes",
    "Cell",
    "Data",
    "Devices",
    "Grid",
    "Model",
    "Place",
    "Proof",
    "Recipe",
    "Recovery",
    "Rival",
    "Rung",
    "Section",
    "Tune",
    "batch_of",
    "canonical_json",
    "load_grid",
    "open_data",
    "parse_grid",
    "plan",
    "resolved",
    "rungs",
    "to_tune",
    "unit_of",
]
