"""What a forecast rests on, with what must be said of it: a saved fit, or published parameters.

Those that come from a table are made in `from_table.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaling.fit.result import Fit
from scaling.forecast.predictor import Predictor
from scaling.forecast.published import PublishedLaw

if TYPE_CHECKING:
    from scaling.forecast.rollouts.reliability import Reliability


@dataclass(frozen=True, eq=False)
class Grounds:
    """A predictor, and what to say of it.

    warnings: what must be read before any forecast. lines: the rest, in words; facts: the same as
    plain JSON values. naive: N_opt at C by the rules of thumb, where there is a table; kinds: its
    conventions. record_at: how rollouts fared at C over the largest run's compute, where there were
    any.
    """

    predictor: Predictor
    lines: tuple[str, ...]
    facts: dict[str, Any]
    warnings: tuple[str, ...] = ()
    naive: Callable[[float], dict[str, float]] | None = None
    kinds: Mapping[str, str] | None = None
    record_at: Callable[[float], Reliability | None] | None = None


def of_fit(fitted: Fit) -> Grounds:
    """A saved fit: its table is not at hand, so nothing is rolled out."""
    return Grounds(fitted, (told(fitted),), facts(fitted))


def of_published(law: PublishedLaw) -> Grounds:
    """Published parameters, without runs or intervals."""
    item = law.published
    known = {
        "law": law.law.name,
        "params": dict(item.params),
        "status": "published parameters: no intervals",
        "n_rows": 0,
        "reference": item.reference,
        "note": item.note,
    }
    return Grounds(law, (str(law),), known)


def told(fitted: Fit) -> str:
    """What a forecast by this fit rests on, in a line."""
    rows = f"{fitted.n_rows} rows of {fitted.source}"
    return f"law {fitted.law.name} on {rows}: {fitted.status}"


def facts(fitted: Fit) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {
        "law": fitted.law.name,
        "params": fitted.params,
        "status": fitted.status,
        "n_rows": fitted.n_rows,
    }
