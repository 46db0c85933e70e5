"""Matplotlib's SVG in fewer bytes, and the same to the eye: a style that all markers of a group
share is said once, and coordinates are as fine as anyone can see."""

from __future__ import annotations

import re

_GROUP = re.compile(r"<g( [^>]*)?>(\s*(?:<use [^>]*/>\s*)+)</g>")
_STYLE = re.compile(r' style="([^"]*)"')
_PLACES = re.compile(r' (?:d|x|y)="[^"]*"')
_FINER = re.compile(r"(\.\d\d)\d+")  # than a hundredth of a point


def compact(svg: str) -> str:
    """The same drawing; elements keep their order, ids and places."""
    svg = _PLACES.sub(lambda match: _FINER.sub(r"\1", match[0]), svg)
    return _GROUP.sub(_shared, svg)


def _shared(match: re.Match[str]) -> str:
    """A group of markers with their style, where it is one, on the group: they inherit it."""
    told, markers = match[1] or "", match[2]
    styles = set(_STYLE.findall(markers))
    one_each = len(_STYLE.findall(markers)) == markers.count("<use ")
    if len(styles) != 1 or not one_each or "style=" in told:
        return match[0]
    return f'<g{told} style="{styles.pop()}">{_STYLE.sub("", markers)}</g>'
