"""Facts of a study as the templates show them, section by section."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from scaling.forecast import proof
from scaling.forecast.decisions.crossing import SideBySide
from scaling.forecast.decisions.standings import standings
from scaling.plot.cost import WITHIN, timed
from scaling.report.answer import AHEAD
from scaling.report.pooled import Pooled
from scaling.report.study import Study
from scaling.units import GAINS, METRICS, Measure, loss_unit, measure, unit_of_d

_COSTS = {
    "counted": "C, counted from the model", "6ND": "C_6ND = 6 N D", "stated": "C as the law states"
}  # fmt: skip
_DRAWN = {
    "cluster": "bootstrap draws over clusters",
    "row": "bootstrap draws over rows",
    "laplace": "normal draws by the cluster-robust covariance of all rows (too many to bootstrap)",
    "posterior": "draws of the posterior",
}


def words(study: Study) -> dict[str, Any]:
    """What D counts and L measures, and the metrics that the runs have."""
    units = unit_of_d(study.kinds["D_kind"])
    unit = loss_unit(study.kinds["L_kind"])
    table = study.table
    metrics = {**METRICS, **{name: Measure(name.replace("_", " ").capitalize()) for name in GAINS}}
    there = [name for name in metrics if name != "train_loss" and table is not None
             and name in table and table[name].notna().any()]  # fmt: skip
    return {
        "units": units,
        "unit": unit,
        "short": unit.replace(" per ", "/"),
        "held_out": {"tokens": "text", "pairs": "image-text pairs"}.get(units, units),
        "windows": "windows" if units == "tokens" else units,
        "metrics": {name: metrics[name].title for name in there},
    }


def proved(study: Study) -> dict[str, Any]:
    """How far off the forecasts were, and how many truths lay inside their intervals."""
    known = [v for v in study.verdicts if v.truth is not None]
    scores = proof.scores(study.verdicts)
    own = scores.pop("", None)
    ratios = sorted(v.compute_ratio for v in study.verdicts)
    starts = {r["run"]: r.get("started_at") or r["trained_at"] for r in study.records}
    return {
        "forecast": len(study.verdicts),
        "trained": len(known),
        "own": own,
        "rivals": scores,
        "ratios": " to ".join(
            dict.fromkeys(f"{ratio:.3g}" for ratio in (ratios[:1] + ratios[-1:]))
        ),
        "in_order": all(_time(v.forecast_written_at) <= _time(starts[v.cell]) for v in known),
    }


def largest(study: Study) -> dict[str, float]:
    """The largest pilot's compute by family; of a study of one under ""."""
    told = (study.forecast or {}).get("largest_pilot", {})
    return told if isinstance(told, dict) else {"": told}


def ran(study: Study) -> dict[str, Any]:
    rows = study.records
    return {
        "planned": len(study.planned),
        "tuned": study.tuned,
        "pilots": sum(r["role"] == "pilot" for r in rows),
        "targets": sum(r["role"] == "target" for r in rows),
        "bad": sum(r["status"] != "finished" for r in rows),
        "sizes": sorted({float(r["N_total"]) for r in rows}),
        "tokens": sorted({float(r["D"]) for r in rows}),
        "trunks": len({r["trunk"] for r in rows}),
        "seeds": sorted({int(r["seed"]) for r in rows}),
        "loss_se": max((float(r["loss_se"]) for r in rows if r.get("loss_se")), default=None),
    }


def law_of(family: str, fit: Pooled) -> dict[str, Any]:
    first = fit.fits[0]
    return {
        "family": family,
        "formula": first.law.formula,
        "name": first.law.name,
        "n_column": first.n_column,
        "cost": _COSTS[first.cost.kind],
        "rows": first.n_rows,
        "clusters": first.n_clusters,
        "cluster_by": first.cluster_by,
        "left_out": first.left_out,
        "objective": f"{first.objective.name} (delta {first.objective.delta:g}) "
        f"on {first.on.replace('_', ' ')}",
        "drawn": _DRAWN.get(first.kind, f"draws ({first.kind})"),
        "draws": sum(len(member.draws) for member in fit.fits),
        "discrepancy": fit.discrepancy,
        "members": [
            {
                "params": [
                    (name, value, None if name in member.fixed else member.interval(name))
                    for name, value in member.params.items()
                ],
                "rms": float(np.sqrt(np.mean(member.residuals**2))),
                "status": member.status,
            }
            for member in fit.fits
        ],
    }


def view_of(view: SideBySide) -> dict[str, Any]:
    """Exponents with intervals, crossings and who wins, of one measure of L."""
    groups = view.groups
    ends = [fit.c_max for fit in groups.fits.values()]
    return {
        "measure": measure(groups.kinds["L_kind"]).label,
        "law": groups.law.name,
        "formula": groups.law.formula,
        "names": groups.names,
        "rows": [fit.n_rows for fit in groups.fits.values()],
        "parameters": groups.parameters(),
        "crossings": [str(item) for item in view.crossings],
        "standings": standings(groups, [min(ends), AHEAD * max(ends)]),
        "notes": [*groups.notes, *groups.refused],
        "draws": len(next(iter(groups.fits.values())).draws),
    }


def costs(study: Study) -> dict[str, Any]:
    predicted, measured = timed(study.records)
    within = np.abs(measured / predicted - 1) <= WITHIN
    starts = [_time(r["started_at"]) for r in study.records if r.get("started_at")]
    ends = [_time(r["trained_at"]) for r in study.records if r.get("trained_at")]
    return {
        "cells": len(measured),
        "predicted": float(predicted.sum()),
        "measured": float(measured.sum()),
        "within": int(within.sum()),
        "spent": sum(float(r.get("flops_spent") or 0) for r in study.records),
        "alone": sum(float(r["C"]) for r in study.records),
        "wall": (max(ends) - min(starts)).total_seconds() if starts and ends else None,
    }


def again(study: Study) -> dict[str, Any]:
    """How to run it once more: the shift of its seeds, versions, data, hashes."""
    if study.kind != "study":
        return {"versions": {"scaling-laws": _version()}}
    try:
        asked = tomllib.loads(study.grid_text)["pilots"][0].get("seeds", [0])[0]
        shift = int(study.facts["grid"]["pilots"][0]["seeds"][0]) - int(asked)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        shift = 0  # an unreadable grid is told elsewhere
    data = study.facts.get("data")
    facts = dict(data) if isinstance(data, Mapping) else {}
    facts.setdefault("fingerprint", next((r["data"] for r in study.records), "unknown"))
    return {
        "shift": shift,
        "versions": study.facts.get("versions") or {},
        "data": _flat(facts),
        "machines": sorted({str(r["machine"]) for r in study.records if r.get("machine")}),
        "grid_sha256": study.facts.get("grid_sha256"),
    }


def _version() -> str:
    try:
        return version("scaling-laws")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = before + str(key).replace("_", " ")
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name}, ")
        else:
            form = "," if isinstance(value, int) else ".4g" if isinstance(value, float) else ""
            rows.append((name, format(value, form) if form else str(value)))
    return rows


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
