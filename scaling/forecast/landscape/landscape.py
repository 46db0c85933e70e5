"""One kind of model with all that is said of it: the rows, trends or places, and the caveats."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import InputError
from scaling.fit import Fit
from scaling.forecast.landscape.place import STAND_IN, Placed, flat, place
from scaling.forecast.landscape.table import models
from scaling.forecast.landscape.trends import ALL, SAID, Trend, trends
from scaling.forecast.predictor import Predictor

# What a table is sorted by: a column, and whether the largest comes first.
_IMAGE = {"date": ("year", False), "name": ("name", False), "size": ("N_total", True),
          "data": ("images_seen", True), "compute": ("compute", True),
          "error": ("top1_error", False)}  # fmt: skip
_LANGUAGE = {"date": ("date", False), "name": ("name", False), "size": ("N", True),
             "data": ("D", True), "compute": ("C", True), "over": ("over", True),
             "saved": ("saved", True)}  # fmt: skip
_YEAR = ("year", "models", "tokens_per_param", "over", "saved")  # medians, but for the models


@dataclass(frozen=True, eq=False)
class Landscape:
    """models: the published rows; estimated: rows whose numbers others estimated, in no fit.

    trends: of image models. predictor, placed, left_out: of language models, the law, each that
    could be set against it, and why the others could not. lines: what must be said of it all.
    """

    kind: str
    models: pd.DataFrame
    estimated: pd.DataFrame
    trends: Sequence[Trend] = ()
    predictor: Predictor | None = None
    placed: Sequence[Placed] = ()
    left_out: dict[str, str] | None = None
    lines: tuple[str, ...] = ()

    @property
    def counted(self) -> str:
        """How many there are, and how their rows were verified."""
        checks = self.models["checked"].value_counts()
        how = {"read": "read in the source", "part": "read in part", "quoted": "as widely quoted"}
        told = ", ".join(f"{checks[key]} {words}" for key, words in how.items() if key in checks)
        return f"{len(self.models)} with published numbers ({told})"

    @property
    def law(self) -> str:
        """The law's name, or that of its published parameters."""
        published = getattr(self.predictor, "published", None)
        law = getattr(self.predictor, "law", None)
        return str(getattr(published or law, "name", type(self.predictor).__name__))

    def by_year(self) -> list[tuple[str, int, float, float, float]]:
        """Year, models, and medians: tokens per parameter, D over D_opt, compute saved."""
        years = sorted({one.date[:4] for one in self.placed})
        groups = [(year, [one for one in self.placed if one.date[:4] == year]) for year in years]
        return [
            (
                year,
                len(own),
                float(np.median([one.tokens_per_param for one in own])),
                float(np.median([one.over.point for one in own])),
                float(np.median([one.saved for one in own])),
            )
            for year, own in groups
        ]

    def table(self) -> pd.DataFrame:
        """All rows and what was worked out of them, in the order shown; estimates last."""
        if self.kind == "image":
            return pd.concat([self.models, self.estimated])
        facts = pd.concat([self.models, self.estimated]).rename(
            columns={"N": "N_bare", "C": "C_published"}
        )
        found = flat(list(self.placed)).drop(columns="date")
        return found.merge(facts.drop(columns="D"), on="name", how="outer", sort=False)

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind, "lines": list(self.lines)}
        if self.kind == "image":
            found["trends"] = [one.to_dict() for one in self.trends]
            found["models"] = _records(self.models)
        else:
            assert self.predictor is not None  # a landscape of language models has one
            found |= {
                "law": self.law,
                "n_column": self.predictor.n_column,
                "c_kind": self.predictor.cost.kind,
                "models": [one.to_dict() for one in self.placed],
                "facts": _records(self.models),
                "left_out": self.left_out,
                "by_year": [dict(zip(_YEAR, row, strict=True)) for row in self.by_year()],
            }
        return found | {"estimates": _records(self.estimated)}


def landscape(
    kind: str,
    predictor: Predictor | None = None,
    *,
    since: str | None = None,
    estimates: bool = False,
    sort: str = "date",
    seed: int = 0,
) -> Landscape:
    """The landscape of a kind of model: image models with trends, language models by a law.

    since, estimates: as of `models`. sort: by date, name, size, data, compute; error (image); over,
    saved (language). Raises InputError for another sort, and as `models` and `place` do.
    """
    column, down = _sorting(kind, sort)
    table = models(kind, since=since, estimates=estimates)
    published = table["known"] == "published"
    facts, estimated = table[published], table[~published]
    if kind == "image":
        ranked = facts.sort_values(column, ascending=not down, kind="stable")
        found = trends(facts, seed=seed)
        few = [of for of in ALL if of not in {one.of for one in found}]
        missing = (f"too few comparable models for a trend by {', '.join(few)}",) if few else ()
        lines = (*map(str, found), *missing, SAID, _compute_line(facts))
        return Landscape(kind, ranked, estimated, trends=found, lines=lines)
    if predictor is None:
        raise InputError("language models are set against a law: give a predictor")
    placed, left_out = place(facts, predictor)
    order = flat(placed).sort_values(column, ascending=not down, kind="stable").index
    ranked_places = [placed[i] for i in order]
    return Landscape(kind, facts, estimated, predictor=predictor, placed=ranked_places,
                     left_out=left_out, lines=_law_lines(predictor, placed, left_out))  # fmt: skip


def _sorting(kind: str, sort: str) -> tuple[str, bool]:
    ways = _IMAGE if kind == "image" else _LANGUAGE
    if sort not in ways:
        near = difflib.get_close_matches(sort.lower(), ways, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"--sort {sort!r}: {kind} models are sorted by {', '.join(ways)}{hint}")
    return ways[sort]


def _compute_line(table: pd.DataFrame) -> str:
    kinds = table["compute_kind"].value_counts()
    worked_out = int(kinds.get("6 x multiply-adds", 0))
    return (
        f"compute: {int(kinds.get('published', 0))} published, {worked_out} (marked ~) worked out "
        "as 6 x multiply-adds x images seen; the rest is not known"
    )


def _law_lines(
    predictor: Predictor, placed: Sequence[Placed], left_out: dict[str, str]
) -> tuple[str, ...]:
    verdicts = [one.verdict for one in placed]
    told = ", ".join(f"{verdicts.count(word)} {word}" for word in
                     ("under-trained", "optimal", "over-trained"))  # fmt: skip
    why = {reason: [n for n, w in left_out.items() if w == reason] for reason in left_out.values()}
    return (
        _behind(predictor),
        f"{len(placed)} models: {told} (optimal: D within a factor of 2 of D_opt at their compute)",
        "loss, best: what the law says of its own data and recipe at N, D and at the optimum; not "
        "the models' own losses. Over-training is a choice where inference is paid for, too",
        "as good at C: the least compute that reaches that loss, saved: the rest; as good at N: a "
        "smaller model that reaches it with the same compute",
        _counting(predictor, placed),
        _reach(placed),
        *(f"left out, {reason}: {', '.join(names)}" for reason, names in why.items()),
    )


def _behind(predictor: Predictor) -> str:
    if isinstance(predictor, Fit):
        rows = f"{predictor.n_rows} rows of {predictor.source}"
        return f"law {predictor.law.name} on {rows}: {predictor.status}"
    return str(predictor)


def _counting(predictor: Predictor, placed: Sequence[Placed]) -> str:
    """How the law counts N and C against how the models' papers do."""
    counts = [one.counted for one in placed]
    law = {"N": "without embeddings", "N_total": "in all", "N_active": "that a token meets"}
    line = f"N: the law counts parameters {law.get(predictor.n_column, predictor.n_column)}"
    if stand_ins := counts.count(STAND_IN):
        line += (
            f"; papers of {stand_ins} models (+) count embeddings, too, and stand in with that: "
            "too large an N, the more so the smaller the model"
        )
    if sparse := counts.count("active"):
        line += f"; {sparse} mixtures of experts (*) by their active part, as if they were dense"
    return f"{line}. C = {predictor.cost.kind} of that N and D"


def _reach(placed: Sequence[Placed]) -> str:
    known = [(one.decades, one.name) for one in placed if one.decades is not None]
    if not known:
        return "reach: the runs behind this law are not known, so neither is the distance from them"
    farthest, name = max(known)
    beyond = sum(decades > 0 for decades, _ in known)
    return (
        f"reach: {beyond} of {len(known)} models have more parameters or tokens than any run "
        f"behind the law, {name} by {farthest:.2f} decades: extrapolated"
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: None for what is not known."""
    return [
        {str(key): None if isinstance(v, float) and np.isnan(v) else v for key, v in row.items()}
        for row in table.to_dict("records")
    ]
