"""The report as Markdown that renders on GitHub: tables, and figures as SVG files beside it."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scaling.plot.style import gid
from scaling.report.answer import Asked
from scaling.report.page import FILTERS, content
from scaling.report.study import Study

# What means something in GitHub's Markdown, anywhere in a line; `$` begins a formula there.
_SIGNS = re.compile(r"([\\`*_\[\]~|$])")


def markdown(study: Study, asked: Asked, folder: str) -> tuple[str, dict[str, str]]:
    """The text, and the files of its figures by name. folder: where the text looks for these."""
    told = content(study, asked, printed=True)
    drawings = {name: shown.svg for name, shown in told["figures"].items() if shown.svg}
    names = {name: f"{gid(*name.split('-', 1))}.svg" for name in drawings}  # a figure, and of what
    files = {names[name]: standalone(svg) for name, svg in drawings.items()}
    # safe: what would end a link, or be markup, is percent-encoded
    links = {name: Markup(quote(f"{folder}/{file}")) for name, file in names.items()}
    text = _templates().get_template("report.md.j2").render(**told, links=links)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", files


def standalone(svg: str) -> str:
    """A page's drawing as a file of its own."""
    return str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def escaped(value: object) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no line of its own."""
    if isinstance(value, Markup):
        return str(value)
    text = re.sub(r"\s+", " ", str(value))
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, entity)
    return _SIGNS.sub(r"\\\1", text)


def _code(text: object) -> Markup:
    """Text between backticks, which show everything but themselves."""
    return Markup(" ".join(str(text).replace("`", "'").split()))  # safe: nothing else ends it


def _ends(ends: tuple[float, float] | None) -> str:
    return "fixed" if ends is None else f"{ends[0]:.3g} to {ends[1]:.3g}"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("scaling.report", "templates"),
        autoescape=False,  # Markdown's own escaping, by `finalize`
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS, code=_code, ends=_ends, md=Markup)
    return environment
