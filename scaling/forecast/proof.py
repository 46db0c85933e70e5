"""The proof: a forecast written before its targets are trained, and what then came out.

The rule (rows, N, law, objective, priors) is the grid's; the file is hashed and never rewritten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scaling import files, laws
from scaling.errors import InputError
from scaling.fit import Fit
from scaling.forecast.ruled import alone, fits_by_family, of_family, predict
from scaling.grid import Cell, Proof, Rival
from scaling.table import FAMILY, conventions
from scaling.units import UNSTATED, loss_unit

if TYPE_CHECKING:
    from scaling.files import Place

LEVEL = 0.90
# A proof is a forecast of something larger: at least this many times the largest pilot's compute.
LEAST_RATIO = 10.0


@dataclass(frozen=True)
class Verdict:
    """One target: what was forecast, what came out (None before it is trained).

    rivals: the same for the rules that were stored beside the proof's own, by name. family: where
    the study has several; `compute_ratio` is then over the largest pilot of the target's own.
    """

    cell: str
    compute_ratio: float
    forecast: float
    q05: float
    q95: float
    truth: float | None
    error_pct: float | None
    inside: bool | None
    forecast_written_at: str
    trained_at: str | None
    rivals: Mapping[str, Verdict] = field(default_factory=dict)
    family: str = ""
    l_kind: str = "nats_per_token"

    def __str__(self) -> str:
        of_family = f" of {self.family}" if self.family else ""
        unit = loss_unit(self.l_kind).replace(" per ", "/")
        outcome = "not yet trained"
        if self.truth is not None:
            inside = "inside" if self.inside else "OUTSIDE"
            outcome = (
                f"came out {self.truth:.4f}: error {self.error_pct:+.2f} %, {inside} the interval"
            )
        return (
            f"target {self.cell}{of_family}, {self.compute_ratio:.3g}x the compute of the largest "
            f"pilot: forecast {self.forecast:.4f}{unit and ' ' + unit}, 90 % interval "
            f"{self.q05:.4f} to {self.q95:.4f}; {outcome}"
        )


@dataclass(frozen=True)
class Score:
    """One rule over all targets that are trained.

    error_pct: mean absolute error in percent of the loss. inside: truths within their 90 %
    interval. width: the interval's mean width as a share of the loss.
    """

    trained: int
    error_pct: float
    inside: int
    width: float

    def __str__(self) -> str:
        return (
            f"mean absolute error {self.error_pct:.2f} %, {self.inside} of {self.trained} inside "
            f"the 90 % interval, whose mean width is {self.width:.1%} of the loss"
        )


def check(rule: Proof, cells: Sequence[Cell], rivals: Sequence[Rival] = ()) -> None:
    """Refuse, before anything is trained, rules that no forecast could follow.

    Raises InputError for an unknown law or parameter, for rivals of one name, and for targets that
    are too near, or of a family without pilots.
    """
    _check_law(rule, "proof")
    for number, rival in enumerate(rivals):
        if rival.name in [other.name for other in rivals[:number]]:
            raise InputError(f"rivals: two rules are named {rival.name!r}; each needs its own name")
        _check_law(rival, f"rivals ({rival.name})")
    largest: dict[str, float] = {}
    for cell in cells:
        if cell.role == "pilot":
            largest[cell.family] = max(cell.C, largest.get(cell.family, 0))
    for cell in cells:
        if cell.role == "target":
            of_its_own = of_family(largest, cell.id, cell.family)
            if rule.where is None:  # else some pilots may not enter the fit
                _far_enough(cell.id, cell.C, of_its_own)


def forecast_targets(
    table: pd.DataFrame,
    targets: Sequence[Mapping[str, Any]],
    rule: Proof,
    rivals: Sequence[Rival] = (),
) -> dict[str, Any]:
    """The forecast of every target's loss under `rule`, as `forecast.json` holds it.

    targets: planned facts (`run`, `N`, `N_total`, `D`, `C`, `family`) of cells that are not yet
    trained; each is forecast from the pilots of its own family. Where these are several, `params`
    and `largest_pilot` are by family, and targets name theirs. rivals: other rules, whose forecasts
    stand beside. Raises InputError for a target below 10x the compute of the largest pilot in the
    fit, and for one whose family has none.
    """
    rows, members = _forecasts(table, targets, rule)
    kind = conventions(table)["L_kind"]
    return {
        **_rule(rule),
        "table_sha256": hashlib.sha256(table.to_csv(index=False).encode()).hexdigest(),
        "law": rule.law,
        "params": alone({name: [member.params for member in own] for name, own in members.items()}),
        "largest_pilot": alone({name: own[0].c_max for name, own in members.items()}),
        **({} if kind in ("nats_per_token", UNSTATED) else {"L_kind": kind}),
        "targets": rows,
        "rivals": [
            {**_rule(rival), "targets": _forecasts(table, targets, rival)[0]} for rival in rivals
        ],
    }


def _check_law(rule: Proof, where: str) -> None:
    law = laws.get(rule.law)
    for name in rule.fixed:
        if name not in law.params:
            raise InputError(
                f"{where}.fixed: law {law.name} has no parameter {name!r}, valid: "
                f"{', '.join(law.params)}"
            )


def _rule(rule: Proof) -> dict[str, Any]:
    facts = rule.model_dump()
    return {"rule": facts, "rule_sha256": _sha256(facts)}


def _forecasts(
    table: pd.DataFrame, targets: Sequence[Mapping[str, Any]], rule: Proof
) -> tuple[list[dict[str, Any]], dict[str, list[Fit]]]:
    """What one rule says of every target, and the fits behind it, by family."""
    members = fits_by_family(table, rule)
    rows = []
    for target in targets:
        family = str(target.get(FAMILY, ""))
        own = of_family(members, target["run"], family)
        ratio = _far_enough(target["run"], target["C"], own[0].c_max)
        point, draws = predict(own, float(target[rule.N]), float(target["D"]), ratio, rule)
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        rows.append(
            {
                "cell": target["run"],
                **({FAMILY: family} if len(members) > 1 else {}),
                **{key: target[key] for key in ("N", "N_total", "D", "C")},
                "compute_ratio": ratio,
                "forecast": point,
                "q05": float(low),
                "q95": float(high),
            }
        )
    return rows, members


def write_once(path: Place, forecast: dict[str, Any]) -> dict[str, Any]:
    """Stamp, hash and store a forecast; one that is already there stays and is returned."""
    if files.exists(path):
        return read(path)
    stamped = {**forecast, "written_at": datetime.now(UTC).isoformat(timespec="seconds")}
    stamped["sha256"] = _sha256(stamped)
    if not files.create(path, (json.dumps(stamped, indent=1) + "\n").encode()):
        return read(path)  # another driver was first
    return stamped


def read(path: Place) -> dict[str, Any]:
    """A stored forecast. Raises InputError where its hash says that it was changed."""
    try:
        stored: dict[str, Any] = json.loads(files.read(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no forecast here: No such file or directory") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    body = {key: value for key, value in stored.items() if key != "sha256"}
    if stored.get("sha256") != _sha256(body):
        raise InputError(f"{path}: changed after it was written: its sha256 does not match")
    return stored


def verdicts(
    forecast: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]
) -> list[Verdict]:
    """Forecast against truth for every target; `records` by cell."""
    rivals = {
        rival["rule"]["name"]: {target["cell"]: target for target in rival["targets"]}
        for rival in forecast.get("rivals", ())  # forecasts of older studies have none
    }
    found = []
    for target in forecast["targets"]:
        run = target["cell"]
        beside = {name: _verdict(told[run], forecast, records) for name, told in rivals.items()}
        found.append(replace(_verdict(target, forecast, records), rivals=beside))
    return found


def scores(verdicts: Sequence[Verdict]) -> dict[str, Score]:
    """What came of the proof's own rule, named "", and of each rival, over the targets trained."""
    known = [v for v in verdicts if v.truth is not None]
    rules = {"": known}
    for verdict in known:
        for name, beside in verdict.rivals.items():
            rules.setdefault(name, []).append(beside)
    return {name: _score(members) for name, members in rules.items() if members}


def told(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A line for each target, then for each rule that several targets, or rivals, were judged
    by."""
    yield from map(str, verdicts)
    for name, score in scores(verdicts).items():
        if name or score.trained > 1:
            rule = f"rival rule, forecast beside: {name}" if name else f"{score.trained} targets"
            yield f"{rule}: {score}"


def _score(known: Sequence[Verdict]) -> Score:
    return Score(
        trained=len(known),
        error_pct=float(np.mean([abs(v.error_pct or 0.0) for v in known])),
        inside=sum(bool(v.inside) for v in known),
        width=float(np.mean([(v.q95 - v.q05) / v.truth for v in known if v.truth])),
    )


def _verdict(
    target: Mapping[str, Any],
    forecast: Mapping[str, Any],
    records: Mapping[str, Mapping[str, Any]],
) -> Verdict:
    record = records.get(target["cell"])
    counts = ["finished", *["recovered"] * (forecast["rule"].get("recovered") == "include")]
    truth = float(record["loss"]) if record and record["status"] in counts else None
    return Verdict(
        cell=target["cell"],
        compute_ratio=target["compute_ratio"],
        forecast=target["forecast"],
        q05=target["q05"],
        q95=target["q95"],
        truth=truth,
        error_pct=None if truth is None else 100 * (target["forecast"] / truth - 1),
        inside=None if truth is None else target["q05"] <= truth <= target["q95"],
        forecast_written_at=forecast["written_at"],
        trained_at=record["trained_at"] if record else None,
        family=target.get(FAMILY, ""),
        l_kind=forecast.get("L_kind", "nats_per_token"),
    )


def _far_enough(target: str, C: float, largest: float) -> float:
    ratio = C / largest
    if ratio < LEAST_RATIO:
        raise InputError(
            f"target {target}: {ratio:.3g} times the compute of the largest pilot in the fit "
            f"({largest:.3g} FLOPs); a proof needs at least {LEAST_RATIO:g} times"
        )
    return ratio


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
