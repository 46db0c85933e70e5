"""Figures of a run table and of what is made of it: rollouts, sweeps, several laws, families."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.extrapolate import curves, forecast_curve
from scaling.fit import fit, squared
from scaling.forecast import published_law
from scaling.forecast.decisions.crossing import crossings, side_by_side
from scaling.forecast.decisions.groups import fit_by
from scaling.forecast.decisions.versus import at_compute
from scaling.forecast.designs.candidates import of_ladder
from scaling.forecast.designs.design import design as designed
from scaling.forecast.designs.narrowing import narrowings
from scaling.forecast.forecasters import default, sensible
from scaling.forecast.landscape import check_kind
from scaling.forecast.landscape import landscape as known_models
from scaling.forecast.rollouts.coverage import DEFAULT, on_table
from scaling.forecast.rollouts.rollout import rollout as roll
from scaling.forecast.rollouts.select import compare
from scaling.forecast.rows import rows_of
from scaling.plot.comparison import comparison
from scaling.plot.coverage import coverage_by_distance
from scaling.plot.design import design
from scaling.plot.entry import MODELS, TABLE, Entry, Source
from scaling.plot.extrapolation import extrapolation
from scaling.plot.families import families
from scaling.plot.landscape import landscape
from scaling.plot.overfitting import overfitting
from scaling.plot.rates import rates
from scaling.plot.receptive import nets_of, receptive
from scaling.plot.rollout import rollout
from scaling.plot.sensitivity import sensitivity
from scaling.plot.versus import versus
from scaling.plot.words import (
    AXES,
    SYMBOLS,
    axis_label,
    compute_column,
    quantity,
    table_loss_label,
)
from scaling.table import GAP, conventions, with_gap, with_loss
from scaling.where import matches

_FAR = 10.0  # times the largest x, to which a curve is extrapolated where it names none
_AHEAD = 30.0  # times the largest run's compute, up to which two families are compared
_DUELS = 25  # budgets at which they are
_PUBLISHED = "besiroglu2024"  # the law that language models are set against


def _extrapolated(source: Source) -> Figure:
    """By the columns x, loss, group and split (the latter two where there are any)."""
    table = source.table
    if where := source.settings.get("where"):
        table = table[matches(table, where)]
    split = "split" if "split" in table else None
    by = source.columns.get("group")
    if by in SYMBOLS:  # curves of one size, or of one length
        table = table.assign(group=[f"{by} = {quantity(value)}" for value in table[by]])
    at = [] if split or "x" not in table else [_FAR * float(np.nanmax(table["x"]))]
    found = curves(table, group="group" if "group" in table else None, split=split, at=at)
    x = source.columns.get("x", "x")
    kind = conventions(table)["D_kind"]
    return extrapolation(
        [forecast_curve(curve) for curve in found],
        x=axis_label(x, kind) if x in (*AXES, "D") else x,
        y=table_loss_label(table, "Loss"),
    )


def _families(source: Source) -> Figure:
    return families(side_by_side(source.law or "chinchilla", source.table, **source.settings))


def _landscape(source: Source) -> Figure:
    check_kind(source.name)
    law = published_law(source.law or _PUBLISHED) if source.name == "language" else None
    return landscape(known_models(source.name, law))


def of_repetition(table: pd.DataFrame, law: str = "overfit", **settings: Any) -> Figure:
    """Losses against epochs with the law fitted to them, and the gap of held-out over training loss
    with its own, where the table has both; settings as of `fit`."""
    fitted = fit(law, table, **settings)
    gaps = with_gap(table)
    if GAP not in gaps:
        return overfitting(table, fitted)
    # A gap may be negative where it is small: least squares of the gap itself.
    same = {k: v for k, v in settings.items() if k in ("N", "where", "draws", "kind", "seed")}
    return overfitting(
        table, fitted, fit("gap", with_loss(gaps, GAP), objective=squared(), on="loss", **same)
    )


def _rolled_out(source: Source) -> Figure:
    """The rollouts of the table's default forecaster."""
    rows = rows_of(source.table)
    return rollout(roll(source.table, [default(rows)[0]]), kind=rows.kinds["L_kind"])


def _compared(source: Source) -> Figure:
    """The laws that suit the table, as `scaling compare` takes them."""
    asked = _asked(source)
    rows = rows_of(source.table, asked["N"], asked.get("where"))
    return comparison(compare(source.table, sensible(rows), **asked), kind=rows.kinds["L_kind"])


def _covered(source: Source) -> Figure:
    asked = {k: v for k, v in _asked(source).items() if k != "where"}
    return coverage_by_distance(on_table(source.table, [DEFAULT], **asked))


def _designed(source: Source) -> Figure:
    """The next runs for as much as the largest two cost, of the table's own kind."""
    asked = {k: v for k, v in _asked(source).items() if k != "draws"}
    rows = rows_of(source.table, asked["N"], asked.get("where"))
    largest = float(rows.C[-1])
    candidates = of_ladder(rows, 2 * largest)
    found = designed(source.table, candidates, target=_AHEAD * largest, budget=2 * largest, **asked)
    return design(
        found, candidates, *narrowings(source.table, candidates, found, **asked),
        known=(rows.N, rows.D), N=rows.n_column, d_kind=rows.kinds["D_kind"],
    )  # fmt: skip


def _asked(source: Source) -> dict[str, Any]:
    wanted = ("N", "where", "draws", "seed")
    return {"N": "N", **{k: v for k, v in source.settings.items() if k in wanted}}


def _versus(source: Source) -> Figure:
    """The two groups of the table, from the least run's compute on."""
    found = fit_by(source.law or "chinchilla", source.table, **source.settings)
    if len(found.names) != 2:
        raise InputError(
            f"{source.name}: families {', '.join(found.names)}; this figure shows two: choose them "
            "with --where"
        )
    first, other = found.fits.values()
    ends = min(first.c_min, other.c_min), _AHEAD * max(first.c_max, other.c_max)
    duels = at_compute(found, np.geomspace(*ends, _DUELS).tolist())
    (crossing,) = crossings(found)
    column = compute_column(first.cost.kind)
    return versus(duels, crossing, kind=found.kinds["L_kind"], column=column)


OF_TABLES = (
    Entry(
        "comparison",
        TABLE,
        "laws compared: rollout errors, weights, and what each forecasts",
        "Laws ranked by how they forecast the table's own larger runs (bars: 90 % interval of how "
        "far behind the best each is), their weights in an average, and the least loss that each "
        "expects of a budget: solid inside the data, dashed beyond, with 90 % bands.",
        _compared,
        "runs/text-proof --n N_total --draws 200",
        frozenset({"n", "where", "draws", "seed"}),
    ),
    Entry(
        "coverage",
        TABLE,
        "how often 90 % intervals held the table's own larger runs",
        "How often nominal 90 % intervals held larger runs and their best sizes, in forecasts from "
        "the smaller ones, by how far beyond the cut these lie. Filled: calibrated by rollouts; "
        "hollow: the forecaster's own. Bars are 95 % intervals as if answers were independent.",
        _covered,
        "runs/text-proof --n N_total --draws 200",
        frozenset({"n", "draws", "seed"}),
    ),
    Entry(
        "design",
        TABLE,
        "the next runs to train, and how they narrow a forecast",
        "The runs that `scaling design` would train next for twice the largest run's compute, so "
        "that the loss at thirty times it is known best: where they lie (dark first, the larger "
        "the more it tells), and how wide the 90 % interval at the target is expected to be as "
        "FLOPs are spent, beside a geometric grid of the same cost.",
        _designed,
        "runs/text-proof --n N_total",
        frozenset({"n", "where", "seed"}),
    ),
    Entry(
        "extrapolation",
        TABLE,
        "loss against scale, curve by curve, and what lies ahead",
        "A panel a curve: the points fitted, the forecast (dashed) with its 90 % band, and the "
        "points that were held back, if any. Columns: x, loss, and where there are such, group "
        "(tells curves apart) and split (fit or extrapolate).",
        _extrapolated,
        "runs/image-text --columns x=D,group=N --where 'N < 1e5'",
        frozenset({"where"}),
    ),
    Entry(
        "families",
        TABLE,
        "model families side by side, and where their frontiers cross",
        "Each family's runs and its own law: loss, and error where it was measured, "
        "against size, against tokens, and against compute at the best split. Solid inside a "
        "family's runs, dashed beyond, with 90 % bands; numbered rings are where one's frontier "
        "passes below another's, with 90 % intervals.",
        _families,
        "runs/vision",
        frozenset({"fit"}),
    ),
    Entry(
        "landscape",
        MODELS,
        "known models by size, compute and date, beside a law",
        "Image models: top-1 error with its trends and their 90 % bands. Language models: size by "
        "date, tokens by size beside the law's optimum, and how far from it each was trained. "
        "Hollow marks are estimates of others than the maker; no line is fitted to them.",
        _landscape,
        "language",
        frozenset({"law"}),
    ),
    Entry(
        "overfitting",
        TABLE,
        "held-out and training loss against epochs, and the gap",
        "Held-out loss (with the law and its 90 % band) and training loss against epochs, a line "
        "for each amount of unique data, a panel a size; below, the gap between the two. The star "
        "is where the law turns: from there on more epochs do harm.",
        lambda source: of_repetition(source.table, source.law or "overfit", **source.settings),
        "runs/overfitting-text --n N_total",
        frozenset({"fit"}),
    ),
    Entry(
        "rates",
        TABLE,
        "loss against learning rate by width, with and without transfer",
        "Held-out loss against learning rate, a line a width, its optimum starred: one column of "
        "stars means that one tuned rate serves every width.",
        lambda source: rates(source.table),
        "runs/rates",
    ),
    Entry(
        "rollout",
        TABLE,
        "errors of forecasts of the table's own larger runs, by distance",
        "The table's smaller runs forecast its larger ones, at every cut: the error of the loss, "
        "of N_opt, and how often the 90 % interval held the truth, against how far beyond the cut. "
        "Small markers are single forecasts, large ones the mean of a bin of distances.",
        _rolled_out,
        "runs/text-proof",
    ),
    Entry(
        "receptive",
        TABLE,
        "receptive fields of convolutional nets, by layer and by size",
        "What a position of each family's nets can see of the image, in exact arithmetic: along "
        "the layers of the largest net, and at the end of every size; dashed, the image's side.",
        lambda source: receptive(nets_of(source.table)),
        "runs/vision",
    ),
    Entry(
        "sensitivity",
        TABLE,
        "loss against learning rate by size; sensitivity by intervention",
        "Loss against learning rate, a line a size, a panel an intervention (crosses: diverged), "
        "and how much is lost over the range of rates, against size: an intervention is worth what "
        "it lowers that line by.",
        lambda source: sensitivity(source.table),
        "runs/stability/table.csv",
    ),
    Entry(
        "versus",
        TABLE,
        "two families by compute: who wins, by how much, what it is worth",
        "At each budget, each family at its own best split: in which share of the draws the one "
        "wins, by how much its loss is lower, and which share of the other's compute the leader "
        "needs for the other's loss; 90 % bands, dashed beyond the runs. Red: where they cross.",
        _versus,
        'runs/vision --where \'family in ["cnn", "resnet"]\'',
        frozenset({"fit"}),
    ),
)
