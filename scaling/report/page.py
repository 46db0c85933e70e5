"""The page: what a study found, in the order in which one asks for it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scaling.plot.words import quantity
from scaling.report import dark, explorer, facts, svg
from scaling.report.answer import Asked, answers
from scaling.report.embed import SCRIPTS, attribute, embed, policy, script
from scaling.report.figures import figures
from scaling.report.linked import Linked
from scaling.report.numbers import clock, flops, when
from scaling.report.runs import runs_of
from scaling.report.study import Study
from scaling.report.thinning import SHOWN

FILTERS: Mapping[str, Callable[[Any], str]] = {
    "count": lambda value: f"{value:,.0f}",
    "quantity": lambda value: quantity(float(value)),
    "flops": flops,
    "clock": clock,
    "when": when,
}
TITLES = {"study": "Scaling study", "table": "Scaling laws of", "fit": "The fit"}


PRINTED = 100  # runs in the table of a report on paper


def render(
    study: Study,
    asked: Asked | None = None,
    *,
    printed: bool = False,
    live: Mapping[str, str] | None = None,
) -> str:
    """The page's HTML. asked: the budget that it answers; by default ten times the largest run.
    printed: for paper, with fewer rows in the table of runs. live: version and head line of a page
    that follows its study, and may ask its own server for newer ones (`serving`)."""
    environment = templates()
    shown = content(study, asked or Asked(), printed=printed)
    painted = {c for one in shown["figures"].values() for c in svg.colours(one.svg or "")}
    style = environment.get_template("style.css.j2").render(twins=dark.rules(painted))
    code = script((*SCRIPTS, "live.js")) if live else script()
    also = {"connect_src": "'self'"} if live else {}
    return environment.get_template("page.html.j2").render(
        style=Markup(style),  # safe: this project's own
        script=code,
        policy=attribute(policy([style], [code], **also)),
        live=live,
        **shown,
    )


def content(study: Study, asked: Asked, *, printed: bool = False) -> Mapping[str, Any]:
    """All that the templates of a page show, whatever its format."""
    found, silent = answers(study.grounds, asked, study.nearest(), bool(study.families))
    words = facts.words(study)
    linked = Linked.of(study)
    return {
        "study": study,
        "title": f"{TITLES[study.kind]} {study.name}",
        "figures": figures(study, linked),
        "linked": linked.told(),
        "sections": sections(study),
        "answers": found,
        "explorer": _explorer(study, asked),
        "missing": [*study.missing, *silent],
        "proved": facts.proved(study),
        "ran": facts.ran(study),
        "laws": [
            facts.law_of(family if study.families else "", fit)
            for family, fit in study.fits.items()
        ],
        "grounds": study.grounds,
        "views": [facts.view_of(view) for view in study.views],
        "words": words,
        "runs": runs_of(study, words, PRINTED if printed else SHOWN),
        "health": study.health,
        "costs": facts.costs(study),
        "again": facts.again(study),
        "largest": facts.largest(study),
        "targets": {t["cell"]: t for t in (study.forecast or {}).get("targets", [])},
    }


def _explorer(study: Study, asked: Asked) -> Mapping[str, Any] | None:
    """The budget that a reader moves, beginning with the one that was asked."""
    predictors = {
        name if study.families else "": ground.predictor for name, ground in study.grounds.items()
    }
    command = {
        "study": "scaling forecast DIR",
        "fit": shlex.join(["scaling", "forecast", *study.command]),
        "table": "",  # `scaling forecast` calibrates by other rollouts than a report
    }[study.kind]
    return explorer.section(predictors, study.kinds, asked, command=command)


def sections(study: Study) -> dict[str, str]:
    """Titles of the page's sections by id, in their order: those that this source can have."""
    several, whole = bool(study.families), study.kind == "study"
    shown = {
        "explorer": ("Move the budget", bool(study.fits)),
        "proof": ("Forecast against truth", whole),
        "families": ("Families side by side", several),
        "curves": ("Loss curves", whole),
        "isoflop": ("IsoFLOP profiles", not several),
        "slices": ("Slices", not several),
        "residuals": ("Fits and residuals" if several else "Fit and residuals", True),
        "frontier": ("Frontier", not several),
        "method": ("Method", True),
        "ran": ("What was run", True),
        "health": ("Health of the runs", whole),
        "cells": ("Cells" if whole else "Runs", True),
        "costs": ("Costs", whole),
        "again": ("Reproduce", True),
    }
    return {name: title for name, (title, there) in shown.items() if there}


@cache
def templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("scaling.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals["embed"] = embed
    return environment
