"""Values as notebooks show them: small HTML that needs nothing outside it, in light and in dark.

No colour is set but the notebook's own, no script runs, and every text is escaped: a card may show
the names of any table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CARD = "font-size:90%;line-height:1.45;max-width:60em;overflow-wrap:anywhere"
_SOFT = "opacity:.75;margin:.3em 0"
_CELL = "padding:.15em .8em .15em 0;text-align:{side};vertical-align:top;background:none"
_WARNING = "border-left:3px solid currentColor;padding-left:.6em;margin:.3em 0"


def card(title: str, *parts: str) -> str:
    """A title over parts, which are HTML that the functions below made."""
    return f'<div style="{_CARD}"><p><strong>{escape(title)}</strong></p>{"".join(parts)}</div>'


def said(lines: Iterable[str]) -> str:
    """Lines of text, in the muted shade."""
    return "".join(f'<p style="{_SOFT}">{escape(line)}</p>' for line in lines)


def warned(lines: Iterable[str]) -> str:
    """What must be read before the rest."""
    return "".join(f'<p style="{_WARNING}">⚠ {escape(line)}</p>' for line in lines)


def code(text: str) -> str:
    """A formula."""
    return f"<p><code>{escape(text)}</code></p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], label: str) -> str:
    """A table whose first column is text, the others numbers. label: what it is, read aloud."""
    sides = ["left", *["right"] * (len(head) - 1)]
    titles = "".join(
        f'<th scope="col" style="{_CELL.format(side=side)}">{escape(text)}</th>'
        for text, side in zip(head, sides, strict=True)
    )
    body = "".join(f"<tr>{_row(row, sides)}</tr>" for row in rows)
    return (
        f'<table aria-label="{escape(label)}" style="border-collapse:collapse;margin:.4em 0">'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(texts: Sequence[str], sides: Sequence[str]) -> str:
    first = f'<th scope="row" style="{_CELL.format(side="left")};font-weight:normal">'
    cells = [f"{first}{escape(texts[0])}</th>"]
    cells += [
        f'<td style="{_CELL.format(side=side)}">{escape(text)}</td>'
        for text, side in zip(texts[1:], sides[1:], strict=True)
    ]
    return "".join(cells)
