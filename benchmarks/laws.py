"""How fast each law with data is fitted: our engine against SciPy's on the same problems.

    python benchmarks/laws.py [--data ../shared/data] [--draws 1000] [--json] [--markdown]

Two times a law: the point fit, all starts included, against SciPy's `least_squares` with our exact
Jacobian from the same starts; and bootstrap refits against the same refits by it, timed on a sample
and scaled up. Tables and rows are those of the certified cases.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scaling.certify import chinchilla
from scaling.certify import laws as cases
from scaling.fit import fit
from scaling.fit.objective import Objective, huber, squared
from scaling.laws import published
from scaling.published import load

SAMPLE = 20  # SciPy's refits that are timed
_REPEATED = {k: v for k, v in published["muennighoff2023"].params.items() if k not in ("RD", "RN")}
_CLARK = {k: published["clark2022_rlr"].params[k] for k in ("K_start", "K_max")}

# law, published table, its rows, objective, what residuals are of, parameters held
Row = tuple[str, str, Callable[[Any], Any], Objective, str, dict[str, float]]
ROWS: tuple[Row, ...] = (
    ("chinchilla", "chinchilla_epoch", chinchilla.used, huber(), "log_loss", {}),
    ("chinchilla_tied", "chinchilla_epoch", chinchilla.used, huber(), "log_loss", {}),
    ("pnorm", "chinchilla_epoch", chinchilla.used, huber(), "log_loss", {}),
    ("busbridge", "chinchilla_epoch", chinchilla.used, huber(), "log_loss", {}),
    ("kaplan", "chinchilla_epoch", chinchilla.used, huber(), "log_loss", {}),
    ("pearce", "chinchilla_epoch", chinchilla.used, huber(), "log_loss", {}),
    ("farseer", "chinchilla_epoch", chinchilla.used, huber(), "log_loss", {}),
    ("chinchilla", "isoflops_openathena", chinchilla.llama, squared(), "loss", {}),
    ("muennighoff_tied", "muennighoff_dataconstrained", lambda t: t, huber(), "log_loss",
     _REPEATED),
    ("gadre", "gadre_overtraining", partial(cases.gadre_runs, data="c4_original", largest=1e9),
     squared(), "loss", {}),
    ("vocabulary", "tao_vocab", cases.tao_runs, huber(), "loss", {}),
    ("parscale", "parscale", lambda t: t, huber(), "log_loss", {}),
    ("routed", "clark_routing_final", partial(cases.clark_runs, router="RL-R"), squared(),
     "log_loss", _CLARK),
)  # fmt: skip


def main(
    data: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path(
        "../shared/data"
    ),
    draws: Annotated[int, typer.Option(min=SAMPLE, help="Bootstrap refits.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print a table for the docs.")] = False,
) -> None:
    """Time every law on its data."""
    found = [measure(row, data, draws) for row in ROWS]
    if as_json:
        print(json.dumps(found, indent=1))
    elif markdown:
        columns = list(found[0])
        print("|", " | ".join(columns), "|")
        print("|", " | ".join("---" for _ in columns), "|")
        for item in found:
            print("|", " | ".join(text(item[name]) for name in columns), "|")
    else:
        table = Table(box=None, pad_edge=False)
        for name in found[0]:
            table.add_column(name, justify="right" if name not in ("law", "table") else "left")
        for item in found:
            table.add_row(*(text(value) for value in item.values()))
        Console(width=150, highlight=False).print(table)


def measure(row: Row, folder: Path, draws: int) -> dict[str, Any]:
    """Seconds of our fit and of our refits, and how many times as long SciPy's take."""
    law, name, prepare, objective, on, fixed = row
    table = prepare(load(name, folder))

    def once(engine: str, count: int) -> float:
        began = time.perf_counter()
        fit(law, table, objective=objective, on=on, fixed=fixed, engine=engine, draws=count)
        return time.perf_counter() - began

    ours = median(once("newton", 0) for _ in range(5))
    theirs = once("scipy", 0)
    refits = median(once("newton", draws) for _ in range(3)) - ours
    sample = max(once("scipy", SAMPLE) - theirs, 0.0) * draws / SAMPLE
    return {
        "law": law,
        "table": name,
        "rows": len(table),
        "point fit (ms)": 1e3 * ours,
        "SciPy / ours": theirs / ours,
        f"{draws} refits (s)": refits,
        "SciPy / ours, refits": sample / refits,
    }


def text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
    return str(value)


if __name__ == "__main__":
    typer.run(main)
