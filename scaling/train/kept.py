"""What a process keeps from one run to the next: programs, with all that was compiled of them, and
the data on the device. A thousand small runs then cost little more than their training.

Nothing of it changes a result: a program is made without the keys of the recipe that tell runs of
one program apart, so that it can't depend on them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import jax

from scaling.families import Shape
from scaling.grid import AnyData, Cell, Recipe
from scaling.train.step import Program
from scaling.train.tasks import Feed, feed_of

# Programs that are kept; the one that was used longest ago goes first.
PROGRAMS = 8
# Of a recipe, what is given to the steps from without, or asked for between them.
OF_RUNS = (
    "learning_rate", "rate_law", "tune", "batch", "batch_law", "warmup_steps", "cooldown",
    "evaluate_every", "early_stop",
)  # fmt: skip
_USUAL = {name: Recipe.model_fields[name].default for name in OF_RUNS}


class Kept:
    """Programs, a bounded number, and one set of data; for the makers that `train_trunk` takes."""

    def __init__(self, programs: int = PROGRAMS) -> None:
        self.most = programs
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self._there: tuple[AnyData, Any, Feed] | None = None
        self._lock = threading.Lock()

    def program(
        self,
        family: str,
        shape: Shape,
        recipe: Recipe,
        *,
        streamed: bool = False,
        pieces: int | None = None,
    ) -> Program:
        """As `Program(...)`, or the one that was made before."""
        recipe = recipe.model_copy(update=_USUAL)
        key = (family, shape, recipe, streamed, pieces, jax.sharding.get_mesh())
        with self._lock:
            if key not in self._programs:
                while len(self._programs) >= self.most:
                    self._programs.popitem(last=False)
                self._programs[key] = Program(
                    family, shape, recipe, streamed=streamed, pieces=pieces
                )
            self._programs.move_to_end(key)
            return self._programs[key]

    def feed(self, cell: Cell, data: AnyData) -> Feed:
        """As `feed_of(cell, data)`; what lies on the device stays there for the next cell."""
        key = (cell.D_unique, jax.sharding.get_mesh())
        with self._lock:
            there = None
            if self._there is not None and self._there[0] is data and self._there[1] == key:
                there = self._there[2]
            self._there = None  # before others take its place
            feed = feed_of(cell, data, there)
            self._there = data, key, feed
        return feed


# This process's own.
HERE = Kept()
