"""The page: what a study found, in the order in which one asks for it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scaling import files
from scaling.forecast import proof
from scaling.forecast.crossing import SideBySide
from scaling.forecast.standings import standings
from scaling.plot.cost import WITHIN, timed
from scaling.plot.words import quantity
from scaling.report.embed import attribute, embed, policy, script
from scaling.report.figures import figures
from scaling.report.pooled import Pooled
from scaling.report.read import Study, read_study
from scaling.units import GAINS, METRICS, Measure, loss_unit, measure, unit_of_d

if TYPE_CHECKING:
    from scaling.files import Place

_AHEAD = 10.0  # times the largest pilot's compute, for the answer's advice


def report(folder: Place | str) -> Place:
    """Write DIR/report.html, one self-contained file; of an unfinished study what there is.

    Raises InputError where there is no such folder.
    """
    place = files.folder(folder)
    page = place / "report.html"
    files.write(page, render(read_study(place)).encode())
    return page


def render(study: Study) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=PackageLoader("scaling.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=lambda v: f"{v:,.0f}",
        quantity=lambda v: quantity(float(v)),
        flops=_flops,
        clock=_clock,
        when=lambda v: str(v).replace("T", " ").replace("+00:00", " UTC"),
    )
    environment.globals["embed"] = embed
    style = environment.get_template("style.css.j2").render()
    code = script()
    return environment.get_template("page.html.j2").render(
        style=Markup(style),  # safe: this project's own
        script=code,
        policy=attribute(policy([style], [code])),
        study=study,
        figures=figures(study),
        answer=_answer(study),
        advice=_advice(study),
        ran=_ran(study),
        laws=[_law(family if study.families else "", fit) for family, fit in study.fits.items()],
        views=[_side_by_side(view) for view in study.views],
        words=_words(study),
        health=study.health,
        costs=_costs(study),
        again=_again(study),
        largest=_largest(study),
        targets={t["cell"]: t for t in (study.forecast or {}).get("targets", [])},
    )


def _words(study: Study) -> dict[str, Any]:
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


def _answer(study: Study) -> dict[str, Any]:
    """How far off the forecasts were, and how many truths lay inside their intervals."""
    known = [v for v in study.verdicts if v.truth is not None]
    scores = proof.scores(study.verdicts)
    own = scores.pop("", None)
    starts = {r["run"]: r.get("started_at") or r["trained_at"] for r in study.records}
    return {
        "forecast": len(study.verdicts),
        "trained": len(known),
        "own": own,
        "rivals": scores,
        "ratios": sorted(v.compute_ratio for v in study.verdicts),
        "in_order": all(_time(v.forecast_written_at) <= _time(starts[v.cell]) for v in known),
    }


def _advice(study: Study) -> list[dict[str, Any]]:
    """What each law would train with ten times its largest pilot's compute, and expect of it."""
    advice = []
    for family, fit in study.fits.items():
        if not {"N", "D"} <= set(fit.law.variables):
            continue
        C = _AHEAD * fit.c_max
        best = fit.optimum(C)
        told = {
            name: (float(value.point), *(float(end) for end in value.interval()))
            for name, value in (("N", best.N), ("D", best.D), ("loss", best.loss))
        }
        whose = family if study.families else ""
        advice.append({"family": whose, "C": C, "ratio": _AHEAD, "n_column": fit.n_column, **told})
    return advice


def _largest(study: Study) -> dict[str, float]:
    """The largest pilot's compute by family; of a study of one under ""."""
    told = (study.forecast or {}).get("largest_pilot", {})
    return told if isinstance(told, dict) else {"": told}


def _ran(study: Study) -> dict[str, Any]:
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


def _law(family: str, fit: Pooled) -> dict[str, Any]:
    first = fit.fits[0]
    return {
        "family": family,
        "formula": first.law.formula,
        "name": first.law.name,
        "n_column": first.n_column,
        "cost": "C, counted from the model" if first.cost.kind == "counted" else "C_6ND = 6 N D",
        "rows": first.n_rows,
        "clusters": first.n_clusters,
        "cluster_by": first.cluster_by,
        "left_out": first.left_out,
        "objective": f"{first.objective.name} (delta {first.objective.delta:g}) "
        f"on {first.on.replace('_', ' ')}",
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


def _side_by_side(view: SideBySide) -> dict[str, Any]:
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
        "standings": standings(groups, [min(ends), _AHEAD * max(ends)]),
        "notes": [*groups.notes, *groups.refused],
        "draws": len(next(iter(groups.fits.values())).draws),
    }


def _costs(study: Study) -> dict[str, Any]:
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


def _again(study: Study) -> dict[str, Any]:
    """How to run it once more: the shift of its seeds, versions, data, hashes."""
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


def _flops(value: float) -> str:
    """FLOPs as they are set in print: 1.75 × 10¹²."""
    digits, exponent = f"{value:.2e}".split("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{digits} × 10{power}"


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
