"""Numbers as the report sets them."""

from __future__ import annotations

from scaling.plot.words import superscript


def flops(value: float) -> str:
    """FLOPs as they are set in print: 1.75 × 10¹²."""
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits} × 10{superscript(int(exponent))}"


def clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def when(moment: object) -> str:
    return str(moment).replace("T", " ").replace("+00:00", " UTC")
