"""Matplotlib's SVG as a page with a strict policy holds it: attributes, no inline styles.

A style attribute is refused where styles are allowed by hash alone, and it beats every rule of the
page's own style; a presentation attribute is neither refused nor in the way of the dark.
"""

from __future__ import annotations

import re

# What an element inherits from the drawing's root: matplotlib's own defaults, said once.
ROOT = {
    "font-family": "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif",
    "stroke-linejoin": "round",
    "stroke-linecap": "butt",
}
_DEFAULTS = {"text-anchor": "start", "font-weight": "400", "stroke-dashoffset": "0"}
_HOUSE = ("DejaVu Sans", ROOT["font-family"])


def attributes(svg: str) -> str:
    """Every inline style as presentation attributes, what the root says left out."""
    return re.sub(r'\sstyle="([^"]*)"', lambda match: _spelled(match[1]), svg)


def _spelled(style: str) -> str:
    told = ""
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        value = value.replace("'", "")
        if not name or _DEFAULTS.get(name) == value:
            continue
        if name == "font-family" and value in _HOUSE:
            continue
        told += f' {name}="{_finer(value)}"'
    return told


def paths(svg: str) -> str:
    """The drawing with coordinates of its paths as fine as anyone can see."""
    return re.sub(r'\bd="[^"]*"', lambda match: _finer(match[0]), svg)


def _finer(text: str) -> str:
    """Numbers to a hundredth of a point, which is finer than any screen or press."""
    return re.sub(r"(\.\d\d)\d+", r"\1", text)


def colours(svg: str) -> set[str]:
    """All colours that a drawing paints with, as they are written in its attributes."""
    return set(re.findall(r'\b(?:fill|stroke)="(#[0-9a-f]{6})"', svg))
