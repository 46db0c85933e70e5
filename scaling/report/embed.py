"""Scripts, styles and data in a page, and the policy by which a browser runs nothing else.

A report is passed on and opened from a disk: its policy allows the page's own scripts and styles,
each by its SHA-256, and no request at all. Names from tables and grids reach scripts as data only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from scaling.report import explorer

# In the order in which the page runs them; one script, so what one declares the next may use.
SCRIPTS = ("runs.js", "figures.js", "cells.js", "controls.js", *explorer.SCRIPTS)

# Comments that have lines of their own.
_COMMENTS = re.compile(r"^\s*(?://[^\n]*|/\*\*.*?\*/\s*)$", re.M | re.S)
# What could end a script's element, or a line of it, inside a JSON string.
_UNSAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def embed(name: str, value: Any) -> Markup:
    """The value as JSON in the page, for its scripts: `JSON.parse` of the text of the element whose
    id is `name`.

    What is not finite is null; NumPy's numbers and arrays are written as Python's.
    """
    text = json.dumps(_plain(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    safe = Markup(text.translate(_UNSAFE))  # safe: nothing in it can end the element
    return Markup('<script type="application/json" id="{}">{}</script>').format(name, safe)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def script(names: Iterable[str] = SCRIPTS) -> Markup:
    """The page's scripts, joined, without the indents and the lines of comment that only their
    readers need; safe as they stand: they are this project's own."""
    folder = resources.files("scaling.report") / "templates"
    texts = [(folder / name).read_text(encoding="utf-8") for name in names]
    lines = (line.strip() for text in texts for line in _COMMENTS.sub("", text).splitlines())
    return Markup("\n".join(['"use strict";', *filter(None, lines)]))


def policy(styles: Iterable[str], scripts: Iterable[str], **also: str) -> str:
    """The Content-Security-Policy of a page with just these texts between its tags.

    also: more directives, `connect_src="'self'"`.
    """
    directives = {
        "default-src": "'none'",
        "style-src": _hashes(styles),
        "script-src": _hashes(scripts),
        "base-uri": "'none'",
        "form-action": "'none'",
        **{name.replace("_", "-"): value for name, value in also.items()},
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _hashes(texts: Iterable[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def attribute(policy: str) -> Markup:
    """A policy between the quotes of an attribute: its own quotes stay readable there."""
    return Markup(str(escape(policy)).replace("&#39;", "'"))
