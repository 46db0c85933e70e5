"""Forecasts as rows: of a frontier, or of several sources; on paper and in a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling.amounts import figure
from scaling.errors import InputError
from scaling.forecast.forecast import Forecast
from scaling.forecast.interval import Interval
from scaling.units import unit_of_d

if TYPE_CHECKING:
    from rich.table import Table

FORMATS = (".csv", ".json", ".parquet")


def row_of(found: Forecast, source: str = "") -> dict[str, Any]:
    """One forecast in one flat row: numbers with their 90 % ends, and what they rest on."""
    row: dict[str, Any] = {"source": source} if source else {}
    row |= {"C": found.C, "c_kind": found.c_kind, "n_column": found.n_column}
    row |= {"N": found.N, "D": found.D, "tokens_per_param": found.tokens_per_param}
    values: list[tuple[str, Interval | None]] = [
        ("loss", found.loss), ("N_opt", found.n_opt), ("D_opt", found.d_opt),
        ("loss_opt", found.loss_opt), ("given_up", found.given_up),
    ]  # fmt: skip
    if found.spend is not None:
        names = ("device_hours", "days", "dollars", "kwh")
        values += [(name, getattr(found.spend, name)) for name in names]
    for name, value in values:
        if value is not None:
            row |= {name: value.point, f"{name}_q05": value.q05, f"{name}_q95": value.q95}
    for rates in found.rates[:1]:
        row |= {"learning_rate": rates.learning_rate, "batch": rates.batch, "steps": rates.steps}
        row["rates_by"] = rates.source
    row |= {"flat_low": found.flat[0], "flat_high": found.flat[1]}
    row |= {"kind": found.kind, "decades_beyond": found.decades}
    row |= {"beyond_checked": found.beyond_checked, "binding": "; ".join(map(str, found.binding))}
    return row


def tables_of(found: Sequence[Forecast], sources: Sequence[str] = ()) -> list[Table]:
    """A line a forecast: what to train; and, where asked, how and at what cost. sources: their
    names, where they are of several."""
    one = found[0]
    units = unit_of_d(one.d_kind)
    heads = [f"C ({one.c_kind})", f"N ({one.n_column})", f"D ({units})", f"{units} / N", "loss"]
    rows = [
        [
            f"{item.C:.4g}",
            _short(_sized(item.N, item.n_opt)),
            _short(_sized(item.D, item.d_opt)),
            f"{item.tokens_per_param:.3g}",
            str(item.loss),
            _beyond(item),
        ]
        for item in found
    ]
    made = [_table([*heads, "decades beyond"], rows, sources)]
    heads = ["C"]
    if one.rates:
        heads += ["learning rate", "batch", f"steps by {one.rates[0].source}"]
    if one.spend is not None:
        heads += ["device-hours", f"days on {one.devices:,}", "dollars", "kWh, at most"]
    if len(heads) > 1:
        rows = [
            [
                f"{item.C:.4g}",
                *(_or_dash(value) for value in _rates(item)),
                *(_or_dash(value) for value in _spent(item)),
            ]
            for item in found
        ]
        made.append(_table(heads, rows, sources))
    return made


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], sources: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    if sources:
        table.add_column("source", overflow="fold", min_width=13)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for i, row in enumerate(rows):
        table.add_row(*([Path(sources[i]).name] if sources else []), *row)
    return table


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Rows as a file, by its suffix. Raises InputError for another one."""
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: unknown format {path.suffix!r}; valid: {', '.join(FORMATS)}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".json":
        path.write_text(json.dumps(list(rows), indent=2, allow_nan=False), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, names, restval="")
            out.writeheader()
            out.writerows(rows)
    else:
        import pandas as pd

        pd.DataFrame(list(rows), columns=names).to_parquet(path)


def _sized(value: float, optimum: Interval) -> Interval:
    """With the optimum's interval, where it is the optimum."""
    return optimum if value == optimum.point else Interval(value, value, value)


def _short(value: Interval) -> str:
    ends = f" [{value.q05:.3g}, {value.q95:.3g}]" if value.open else ""
    return f"{value.point:.3g}{ends}"


def _rates(item: Forecast) -> list[float | None]:
    return [v for r in item.rates[:1] for v in (r.learning_rate, r.batch, r.steps)]


def _spent(item: Forecast) -> list[float | None]:
    if item.spend is None:
        return []
    values = [getattr(item.spend, name) for name in ("device_hours", "days", "dollars", "kwh")]
    return [None if value is None else value.point for value in values]


def _or_dash(value: float | None) -> str:
    return "-" if value is None else figure(value) if value >= 1 else f"{value:.3g}"


def _beyond(item: Forecast) -> str:
    if item.compute_ratio == 0:
        return "unknown"
    if item.kind == "fit":
        return "inside"
    return f"{item.decades:.2f}" + (", unchecked" if item.beyond_checked else "")
