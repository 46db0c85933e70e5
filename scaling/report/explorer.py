"""The budget that a reader moves: all that a page needs to answer as Python does, and a table of
budgets for whoever has no script.

It needs predictors and their conventions, nothing else of a report: `section` is what
`templates/explorer.html.j2` shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling.devices import CATALOGUE
from scaling.errors import InputError
from scaling.forecast.carried import carried, count
from scaling.forecast.further.given import Given
from scaling.forecast.interval import interval
from scaling.forecast.predictor import Predictor
from scaling.forecast.spending import Hardware
from scaling.report.answer import Asked, usual
from scaling.units import UNSTATED, loss_unit, measure, unit_of_d

# In the order in which a page runs them; the first two know nothing of a page.
NUMBERS = ("explorer_program.js", "explorer_predictor.js")
SCRIPTS = (
    *NUMBERS,
    "explorer_words.js",
    "explorer_answers.js",
    "explorer_chart.js",
    "explorer.js",
)

_REACH = 1e4  # times the largest run: how far the slider and the table go
_UNKNOWN = (1e18, 1e26)  # FLOPs, where no runs are behind a law
_START = 1e21
_ROWS = 9  # of the table


def section(
    predictors: Mapping[str, Predictor],
    kinds: Mapping[str, str],
    asked: Asked | None = None,
    *,
    command: str = "",
) -> dict[str, Any] | None:
    """What the section shows; None where no predictor can divide a budget.

    predictors: by family, the only one under "". kinds: the conventions of their table. asked: the
    budget and the machines to begin with. command: what prints the same forecasts, as far as the
    budget; empty where nothing does.
    """
    usable = {name: one for name, one in predictors.items() if _divides(one)}
    if not usable:
        return None
    largest = max(one.c_max for one in usable.values())
    asked = asked or Asked()
    start = asked.compute or (usual(largest) if largest else _START)
    low, high = _UNKNOWN
    if largest:
        low = min(one.c_min for one in usable.values() if one.c_max)
        high = _REACH * largest
    low, high = min(low, start), max(high, start)
    laws = [_law(name, one) for name, one in usable.items()]
    l_kind, units = kinds.get("L_kind", UNSTATED), unit_of_d(kinds.get("D_kind", UNSTATED))
    machine = asked.priced_on()
    words = {"unit": loss_unit(l_kind), "measure": measure(l_kind).title, "units": units}
    return {
        **words,
        "data": {
            **words,
            "laws": laws,
            "low": low,
            "high": high,
            "start": start,
            "devices": [_offered(machine)]
            + [_offered(Hardware.of(one)) for one in CATALOGUE if one.name != machine.device.name],
            "count": machine.count,
            "mfu": machine.mfu.point,
            "mfu_source": machine.mfu.source,
            "pue": machine.pue,
            "command": command,
        },
        "laws": laws,
        "rows": _table(usable, np.geomspace(largest or low, high, _ROWS).tolist()),
        "movable": any(law["predictor"] for law in laws),
    }


def _divides(predictor: Predictor) -> bool:
    """Whether it says how to divide a budget between N and D, without being told more: a law of a
    learning rate does not, though it is of N and D."""
    law = getattr(predictor, "law", None)
    if law is None:
        return True
    of_both = isinstance(predictor, Given) or set(law.variables) == {"N", "D"}
    return of_both and law.response == "loss"


def _law(name: str, predictor: Predictor) -> dict[str, Any]:
    """One predictor and what is known of its reach; `refused` says why it stays in Python."""
    data, refused = None, ""
    try:
        data = carried(predictor)
    except InputError as error:
        refused = str(error)
    law = getattr(predictor, "law", None)
    return {
        "name": name,
        "formula": "" if law is None else law.formula,
        "predictor": data,
        "refused": refused,
        "draws": count(predictor),
        "c_min": predictor.c_min,
        "c_max": predictor.c_max,
        "checked": getattr(predictor, "checked", None),
        "n_column": predictor.n_column,
        "c_kind": predictor.cost.kind,
    }


def _offered(machine: Hardware) -> dict[str, Any]:
    """One device of the list, as its maker and a cloud state it."""
    return {
        "name": machine.device.name,
        "peak": machine.peak,
        "precision": machine.used_precision,
        "watts": machine.device.watts,
        "price": machine.price,
        "price_source": machine.price_source,
        "source": machine.device.source,
    }


def _table(predictors: Mapping[str, Predictor], budgets: Sequence[float]) -> list[dict[str, Any]]:
    """A row for each budget and predictor, each number with its interval."""
    C = np.array([float(f"{one:.3g}") for one in budgets])
    rows = []
    for name, predictor in predictors.items():
        best = predictor.optimum(C)
        told = {
            key: [interval(p, ends) for p, *ends in zip(part.point, *part.interval(), strict=True)]
            for key, part in (("N", best.N), ("D", best.D), ("loss", best.loss))
        }
        for i, one in enumerate(C.tolist()):
            ratio = one / predictor.c_max if predictor.c_max else 0.0
            inside = predictor.c_min <= one <= predictor.c_max
            row = {key: values[i] for key, values in told.items()}
            rows.append({"name": name, "C": one, "ratio": ratio, "inside": inside, **row})
    return sorted(rows, key=lambda row: row["C"])
