"""Amounts as people read them: bytes, times, dollars."""

from __future__ import annotations

_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def size(count: float) -> str:
    """Bytes in the largest unit that there is one of."""
    for unit, name in _BYTES:
        if count >= unit:
            return (
                f"{count / unit:,.3g} {name}"
                if count < 1e3 * unit
                else f"{count / unit:,.0f} {name}"
            )
    return f"{count:.0f} B"


def span(seconds: float) -> str:
    """Seconds, minutes and seconds, or hours and minutes."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min"


def money(dollars: float) -> str:
    """Dollars to the cent, or what there is of one."""
    return f"${dollars:,.2f}" if dollars >= 0.01 or not dollars else f"${dollars:.3g}"


def figure(value: float) -> str:
    """Four digits, with separators where that is how people write it."""
    return f"{float(f'{value:.4g}'):,.0f}" if 1e3 <= value < 1e15 else f"{value:.4g}"
