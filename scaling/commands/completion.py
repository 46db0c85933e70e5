"""What a shell completes beyond commands, options and files: names of laws, families and devices.

Names are found when the key is pressed; typer keeps those that begin as what was typed does. Where
none is left, the shell completes files.
"""

from __future__ import annotations


def laws() -> list[tuple[str, str]]:
    """Laws by name, with their formulas."""
    from scaling import laws

    return [(name, laws.get(name).formula) for name in laws.names()]


def several_laws(incomplete: str) -> list[str]:
    """The last of `a,b,c`, with those before it."""
    before, comma, _ = incomplete.rpartition(",")
    return [before + comma + name for name, _ in laws()]


def published() -> list[tuple[str, str]]:
    """Parameters that papers printed, by name, with where."""
    from scaling.laws import published

    return [(name, found.reference) for name, found in published.items()]


def laws_and_published() -> list[tuple[str, str]]:
    return laws() + published()


def families() -> list[str]:
    from scaling import families

    return list(families.names())


def devices() -> list[str]:
    from scaling.devices import CATALOGUE

    return [device.name for device in CATALOGUE]
