"""A certified case: a published fit, our fit of the same data, and how far they agree.

Grades, from the numbers alone:

- A: ours, rounded, are the printed digits; A-: within one unit of the last printed digit.
- B: the same optimum, but what is printed stops short of it: at most 1e-3 above our objective
  value, or, where there is no objective to compare, three digits of each number.
- C: what is printed is not the optimum of its own objective: more than 1e-3 above ours.
- D: the released data do not lead to what is printed.

Printed digits are a box, a number give or take half a unit of its last digit. What is published is
judged by the lowest objective value in that box, so that rounding is never held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np
import pandas as pd

Grade = Literal["A", "A-", "B", "C", "D"]
_MOST_DIGITS = 15.0
_SAME_DIGITS = 3.0
_SAME_OPTIMUM = 1e-3  # of the objective: what a fit that stopped early is still forgiven


@dataclass(frozen=True)
class Printed:
    """A number as it was printed."""

    text: str

    @property
    def value(self) -> float:
        return float(self.text)

    @property
    def unit(self) -> float:
        """One unit of the last printed digit."""
        exponent = Decimal(self.text).as_tuple().exponent
        return 10.0 ** int(exponent)

    @property
    def box(self) -> tuple[float, float]:
        """All numbers that would be printed like this one."""
        half = max(self.unit / 2, 4e-16 * abs(self.value))
        return self.value - half, self.value + half

    def digits(self, ours: float) -> float:
        return agreement(self.value, ours)


def agreement(a: float, b: float) -> float:
    """Digits that two numbers share: -log10 of their relative difference, at most 15."""
    difference = abs(a - b) / max(abs(a), abs(b), 1e-300)
    return float(min(-np.log10(max(difference, 1e-300)), _MOST_DIGITS))


@dataclass(frozen=True)
class Solution:
    """What we find. ours: by our first engine, `second`: the same by another way, where there is
    one. value: the objective there; at_published: the lowest in the box of printed digits, None
    where that is not asked. rows: of the table that were used."""

    rows: int
    ours: Mapping[str, float]
    second: Mapping[str, float] = field(default_factory=dict)
    engines: tuple[str, ...] = ()
    value: float | None = None
    at_published: float | None = None


Solve = Callable[[pd.DataFrame, Mapping[str, Printed]], Solution]


@dataclass(frozen=True)
class Case:
    """A published result. paper: whose; read: where its digits were read; data: a published table,
    none ("") where the printed numbers are all there is; law, objective: in words; published: name
    -> digits as printed; grade: what we find it to be; why: where they differ, and what else must
    be said. agree: digits to which our two engines are to agree, 10 but for what `why` explains.
    """

    name: str
    paper: str
    read: str
    data: str
    law: str
    objective: str
    published: Mapping[str, str]
    solve: Solve
    grade: Grade
    why: str = ""
    agree: float = 10.0


@dataclass(frozen=True)
class Certificate:
    """A case and our solution of it."""

    case: Case
    solution: Solution

    @property
    def digits(self) -> dict[str, float]:
        """Agreement of each published number with ours, in digits."""
        printed = self.printed
        return {name: item.digits(self.solution.ours[name]) for name, item in printed.items()}

    @property
    def printed(self) -> dict[str, Printed]:
        return {name: Printed(text) for name, text in self.case.published.items()}

    @property
    def engines_digits(self) -> float | None:
        """Digits to which our two engines agree: the worst of all numbers."""
        ours, second = self.solution.ours, self.solution.second
        return min((agreement(ours[k], second[k]) for k in second), default=None)

    @property
    def excess(self) -> float | None:
        """How far what is printed lies above our objective value, relative to it."""
        value, there = self.solution.value, self.solution.at_published
        return None if value is None or there is None else (there - value) / abs(value)

    @property
    def grade(self) -> Grade:
        off = [
            abs(self.solution.ours[name] - item.value) / item.unit
            for name, item in self.printed.items()
        ]
        if max(off) <= 0.5 + 1e-6:
            return "A"
        if max(off) <= 1.0:
            return "A-"
        if self.excess is None:
            return "B" if min(self.digits.values()) >= _SAME_DIGITS else "D"
        return "B" if self.excess <= _SAME_OPTIMUM else "C"

    @property
    def holds(self) -> bool:
        """Whether we still find what the case says: its grade, and engines that agree."""
        engines = self.engines_digits
        return self.grade == self.case.grade and (engines is None or engines >= self.case.agree)


def certify(case: Case, table: pd.DataFrame) -> Certificate:
    """Solve the case on its table."""
    printed = {name: Printed(text) for name, text in case.published.items()}
    return Certificate(case, case.solve(table, printed))
