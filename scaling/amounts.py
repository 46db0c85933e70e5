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


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any: 12:34, 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def money(dollars: float) -> str:
    """Dollars to the cent, or what there is of one."""
    return f"${dollars:,.2f}" if dollars >= 0.01 or not dollars else f"${dollars:.3g}"


def figure(value: float) -> str:
    """Four digits, with separators where that is how people write it."""
    return f"{float(f'{value:.4g}'):,.0f}" if 1e3 <= value < 1e15 else f"{value:.4g}"


def quantity(value: float) -> str:
    """A count in three digits at most: 950, 12.3k, 2M, 1.5B."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
