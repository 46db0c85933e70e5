"""The budget that a reader moves as a page of its own, of any predictors: no study is needed.

>>> from scaling.forecast import published_law
>>> text = page({"Hoffmann": published_law("hoffmann2022"), "Kaplan": published_law("kaplan2020")})
>>> text.startswith("<!doctype html>"), "explorer-budget" in text
(True, True)
"""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from scaling.errors import InputError
from scaling.forecast.predictor import Predictor
from scaling.report import explorer
from scaling.report.answer import Asked
from scaling.report.embed import attribute, policy, script
from scaling.report.page import templates


def page(
    predictors: Mapping[str, Predictor],
    kinds: Mapping[str, str] | None = None,
    asked: Asked | None = None,
    *,
    title: str = "Move the budget",
    command: str = "",
) -> str:
    """The HTML. predictors: by name; kinds, asked, command: as of `explorer.section`.

    Raises InputError where no predictor says how to divide a budget.
    """
    shown = explorer.section(predictors, kinds or {}, asked, command=command)
    if shown is None:
        raise InputError("none of these laws says how to divide a budget between N and D")
    text = templates().get_template("style.css.j2").render(twins="")  # no figure to paint
    style = Markup(text)  # safe: this project's own
    code = script(explorer.SCRIPTS)
    held = attribute(policy([style], [code]))
    template = templates().get_template("explorer_page.html.j2")
    return template.render(explorer=shown, title=title, style=style, script=code, policy=held)
