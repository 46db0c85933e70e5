"""How well larger runs are predicted from smaller ones: every method on published tables.

    python benchmarks/rollout.py [--data ../shared/data] [--group clean] [--method isoflop]

A task is a published experiment and a cut in compute: a method sees the rows at or below the cut
and predicts the runs and the optima at 3 to 100 times as much. Groups: "clean" (isoFLOP tables
whose learning rates were tuned), "untuned" (those of Porian et al. that were not) and "gadre" (free
N, D). Figures are means over a cell's rows, an experiment's cells, a family's experiments and the
families.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from scaling.errors import InputError
from scaling.fit.approaches import approach_1
from scaling.forecast.forecasters import Forecaster, get
from scaling.forecast.rollouts.beyond import Beyond
from scaling.forecast.rollouts.rollout import LEAST_DISTANCE, Rollout, rollout, rollout_to
from scaling.forecast.rollouts.scores import BINS, as_good_rules, loss_cells, record, size_cells
from scaling.forecast.rows import rows_of
from scaling.forecast.rules import RULES

METHODS = ("chinchilla", "chinchilla_near", "chinchilla_tied", "vpnls", "kaplan", "approach_2",
           "isoflop")  # fmt: skip
SIZES_ONLY = ("approach_1", *RULES)  # they say nothing of the loss, and have no intervals here
GROUPS = ("clean", "untuned", "gadre")
DUPLICATES = ("spline_outlier", "near_duplicate_params", "exact_duplicate")
GADRE_CUTS = (3e18, 1e19, 3e19)
GADRE_NEAR = (4.9, 81.0)  # tokens per parameter of the runs that are scored
KNOWN = 0.15  # standard error of ln N_opt beyond which a budget's minimum is no truth
SCORED = BINS[:3]


@dataclass(frozen=True)
class Experiment:
    """One table of one family; `group` says where it is scored."""

    group: str
    family: str
    name: str
    table: pd.DataFrame


def experiments(data: Path) -> Iterator[Experiment]:
    """All tables, with rows that their sources flag as outliers or duplicates left out."""
    table = pd.read_csv(data / "isoflops_openathena.csv")
    table = table[(table.experiment != "llama_3__exp_loss") & ~table.reason.isin(DUPLICATES)]
    for name, rows in table.groupby("experiment"):
        yield Experiment("clean", str(name).split("_")[0], str(name), _columns(rows))
    table = pd.read_csv(data / "porian_isoflop.csv")
    for (name, tuned), rows in table.groupby(["stage", table.hparams == "tuned"]):
        group = "clean" if tuned else "untuned"
        yield Experiment(group, f"porian_{group}", str(name), _columns(rows))
    table = pd.read_csv(data / "gadre_overtraining.csv").assign(loss=lambda t: t.loss_c4_val)
    for name, rows in table.groupby("dataset"):
        yield Experiment("gadre", "gadre", f"gadre/{name}", _columns(rows))


def _columns(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["N", "D", "C", "loss"]].astype(float).reset_index(drop=True)


def roll(item: Experiment, methods: Sequence[Forecaster], draws: int) -> Rollout:
    """Every method at every cut of the experiment."""
    if item.group != "gadre":
        found = with_envelope(item, rollout(item.table, methods, draws=draws))
        known = found.budgets.n_true_se < KNOWN
        unknown = {k: found.budgets[k].where(known) for k in ("n_true", "waste")}
        return replace(found, budgets=found.budgets.assign(**unknown))
    parts = [rollout_to(item.table, methods, cut, draws=draws) for cut in GADRE_CUTS]
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    near = (rows.D / rows.N).between(*GADRE_NEAR)
    budgets = pd.concat([part.budgets for part in parts], ignore_index=True)
    refused = tuple(words for part in parts for words in part.refused)
    return Rollout(rows.assign(near=near), budgets, GADRE_CUTS, refused, item.name)


def with_envelope(item: Experiment, found: Rollout) -> Rollout:
    """With Approach 1's N_opt at every cut where the table has curves for it."""
    rows = rows_of(item.table)
    parts, refused = [found.budgets], list(found.refused)
    for cut in found.cuts:
        target = Beyond(rows, cut, LEAST_DISTANCE * cut)
        try:
            line = approach_1(rows.up_to(cut), draws=0)
        except InputError as error:
            refused.append(f"approach_1 at C <= {cut:.3g}: {error}")
            continue
        N_opt = np.array([float(line.n_opt(C).point) for C in target.budgets.C])
        parts.append(target.of_sizes("approach_1", N_opt))
    budgets = pd.concat(parts, ignore_index=True)
    return replace(found, budgets=budgets, refused=tuple(refused))


def means(cells: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Cells of all experiments -> forecaster x bin, each level averaged before the next."""
    table = pd.concat(cells)
    for keys in (
        ["forecaster", "bin", "family", "experiment"],
        ["forecaster", "bin", "family"],
        ["forecaster", "bin"],
    ):
        table = table.groupby(keys, observed=True).mean(numeric_only=True)
    return table.drop(columns=["cut", "C", "c", "distance"], errors="ignore")


def bare(found: Rollout) -> Rollout:
    """The same forecasts with each forecaster's own intervals instead of calibrated ones."""
    own = {"q05": found.rows.bare_q05, "q95": found.rows.bare_q95}
    rows = found.rows.assign(**own)
    ends = {"N_opt_q05": "bare_q05", "N_opt_q95": "bare_q95"}
    budgets = found.budgets.assign(**{k: found.budgets[v] for k, v in ends.items()
                                      if v in found.budgets})  # fmt: skip
    return replace(found, rows=rows, budgets=budgets)


def summary(found: Sequence[tuple[Experiment, Rollout]]) -> pd.DataFrame:
    """All figures of a group: one row a forecaster and bin."""
    tables = []
    for score in (loss_cells, size_cells):
        for prefix, chosen in (("", lambda r: r), ("own_", bare)):
            cells = [
                score(chosen(rolled)).assign(experiment=item.name, family=item.family)
                for item, rolled in found
                if len(rolled.rows if score is loss_cells else rolled.budgets)
            ]
            if cells:
                tables.append(means(cells).add_prefix(prefix))
    return pd.concat(tables, axis=1)


def write(found: Sequence[tuple[Experiment, Rollout]], folder: Path) -> None:
    """LOSS_<method>.csv and NOPT_<method>.csv with each method's own intervals."""
    folder.mkdir(parents=True, exist_ok=True)
    of_rows = {"prediction": "pred", "bare_q05": "lo", "bare_q95": "hi"}
    of_sizes = {"N_opt": "N_opt", "bare_q05": "lo", "bare_q95": "hi", "loss_opt": "L_opt"}
    for kind, key, names, values in (
        ("LOSS", "rows", ["N", "D"], of_rows),
        ("NOPT", "budgets", ["C"], of_sizes),
    ):
        table = pd.concat([_labelled(getattr(r, key), e) for e, r in found])
        table = table[["forecaster", "experiment", "cut", *names, *values]].rename(columns=values)
        for name, own in table.groupby("forecaster"):
            path = folder / f"{kind}_{name}.csv"
            own.drop(columns="forecaster").dropna(axis=1, how="all").to_csv(path, index=False)


def _labelled(table: pd.DataFrame, item: Experiment) -> pd.DataFrame:
    """With the experiment's name, and C as the budgets' labels have it."""
    if item.family.startswith(("porian", "gadre")):
        return table.assign(experiment=item.name)
    two = {k: table[k].map(lambda v: float(f"{v:.2g}")) for k in ("cut", "C")}
    return table.assign(experiment=item.name, **two)


# heading, column of `summary`, format
ERRORS = (
    ("loss error %", "loss_error", ".2f"),
    ("log10 N_opt", "size_error", ".3f"),
    ("waste %", "waste", ".1f"),
)
INTERVALS = (
    ("losses inside", "loss_coverage", ".2f"),
    ("width %", "loss_width", ".1f"),
    ("score %", "loss_score", ".1f"),
    ("N_opt inside", "size_coverage", ".2f"),
    ("width log10", "size_width", ".2f"),
    ("score log10", "size_score", ".2f"),
)


def lines(table: pd.DataFrame, columns: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """A Markdown table: a row for each forecaster, the three bins of each figure side by side. A
    figure that nobody has has no column."""
    known = [name for name in (*METHODS, *SIZES_ONLY) if name in table.index.get_level_values(0)]
    columns = [c for c in columns if c[1] in table and table.loc[known, c[1]].notna().any()]
    yield "| method | " + " | ".join(heading for heading, _, _ in columns) + " |"
    yield "|" + " --- |" * (len(columns) + 1)
    for name in known:
        own = table.loc[name].reindex(list(SCORED))
        cells = []
        for _, column, form in columns:
            told = ["-" if np.isnan(v) else format(v, form) for v in own[column]]
            cells.append("-" if set(told) == {"-"} else " / ".join(told))
        if set(cells) != {"-"}:
            yield f"| {name} | " + " | ".join(cells) + " |"


def report(group: str, found: Sequence[tuple[Experiment, Rollout]]) -> Iterator[str]:
    """A group's tables, the rules that were as good, and which tables to distrust."""
    table = summary(found)
    yield f"### {group}: {' / '.join(SCORED)} beyond the cut"
    yield from (
        "",
        *lines(table, ERRORS),
        "",
        "Nominal 90 % intervals, calibrated at each cut:",
        "",
    )
    yield from (*lines(table, INTERVALS), "", "The forecasters' own:", "")
    yield from lines(table, [(h, f"own_{c}", f) for h, c, f in INTERVALS])
    yield ""
    for item, rolled in found:
        told = record(rolled, "isoflop")
        if told is not None:
            yield f"- {item.name}: {told}"
            yield from (f"  - {words}" for words in as_good_rules(rolled, "isoflop"))
    for name in (*METHODS, "approach_1"):
        words = [w for _, rolled in found for w in rolled.refused if w.startswith(f"{name} at")]
        if words:
            yield f"- {name} refused {len(words)} cuts, first {words[0]}"
    if not any(len(rolled.budgets) for _, rolled in found):
        yield "- approach_1: nothing to hold it against; no budget shows an N_opt of its own"


def main(
    data: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path(
        "../shared/data"
    ),
    group: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(GROUPS)}.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Forecasters, by name.")] = None,
    draws: Annotated[int, typer.Option(min=20, help="Draws of each forecast.")] = 500,
    folder: Annotated[
        Path | None, typer.Option("--write", help="Write the forecasts there, as CSV.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Roll out every method on every published table, and print what came of it."""
    methods = [get(name) for name in method or METHODS]
    facts: dict[str, Any] = {}
    done = []
    for name in group or GROUPS:
        found = [(e, roll(e, methods, draws)) for e in experiments(data) if e.group == name]
        done += found
        if as_json:
            facts[name] = summary(found).reset_index().to_dict(orient="records")
        else:
            print("\n".join(report(name, found)), end="\n\n", flush=True)
    if as_json:
        print(json.dumps(facts, indent=1))
    if folder is not None:
        write(done, folder)


if __name__ == "__main__":
    typer.run(main)
