"""What an import is about to do, shown before it is done: which column is which, and the command
that says so for good."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from scaling.errors import InputError
from scaling.importers.columns import NAMES
from scaling.importers.contract import LoggedRun
from scaling.importing.mapping import Column, Columns
from scaling.importing.pieces import counted
from scaling.importing.survey import Field

NEEDED = ("N", "D", "loss")


@dataclass(frozen=True)
class Proposal:
    """The columns as found, of so many runs looked at. counted: N comes from configurations;
    command: what does the same without a question."""

    columns: Columns
    looked_at: int
    counted: bool
    command: str

    @property
    def settled(self) -> bool:
        """Whether the user has named all that a law needs."""
        named = {name for name, column in self.columns.by_name.items() if column.given}
        return named >= {"D", "loss"} and (bool(named & {"N", "N_total"}) or self.counted)

    def to_dict(self) -> dict[str, Any]:
        return {name: described(column) for name, column in self.columns.by_name.items()}


def described(column: Column) -> dict[str, Any]:
    """A column as an account has it."""
    known = column.low == column.low
    return {
        "made_of": column.theirs,
        "range": [column.low, column.high] if known else None,
        "why": column.why,
        "doubts": list(column.doubts),
    }


def check(
    columns: Columns, fields: Mapping[str, Field], seen: Sequence[LoggedRun], source: str
) -> bool:
    """Whether N comes from configurations alone. Raises InputError where a column is missing that a
    law needs: what was found, what is needed, the nearest names."""
    has_shape = any(counted(run) is not None for run in seen)
    missing = [name for name in NEEDED if name not in columns]
    if "N_total" in columns or has_shape:
        missing = [name for name in missing if name != "N"]
    if missing:
        raise InputError(_told(missing, columns, fields, source))
    return has_shape and not {"N", "N_total"} & set(columns.by_name)


def _told(
    missing: Sequence[str], columns: Columns, fields: Mapping[str, Field], source: str
) -> str:
    parts = []
    for name in missing:
        text = f"nothing is {name} ({NAMES[name].about})"
        near = get_close_matches(name.lower(), [each.lower() for each in fields], 3, 0.5)
        for other in NAMES[name].others:
            near += get_close_matches(other, list(fields), 1, 0.75)
        if name in columns.refused:
            text += f": {columns.refused[name]}"
        elif name == "loss" and "train_loss" in columns:
            text += (f": only the training loss {columns['train_loss'].theirs} was found; "
                     "--train-loss takes it for want of a better one")  # fmt: skip
        elif name == "D" and "step" in columns:
            text += f': --map D="{columns["step"].theirs} * TOKENS_OF_A_BATCH"'
        elif near:
            text += f"; nearest: {', '.join(dict.fromkeys(near))}"
        parts.append(text)
    shown = list(fields)[:40]
    more = f" and {len(fields) - 40} more" if len(fields) > 40 else ""
    return (
        f"{source}: {'; '.join(parts)}; found: {', '.join(shown)}{more}; needed: N or N_total, D, "
        f"loss; say which is which, such as --map {missing[0]}=THEIR_NAME, or a number that is the "
        "same for all"
    )


def command(
    sources: Sequence[str],
    columns: Columns,
    settings: Sequence[tuple[str, str | None]],
) -> str:
    """`scaling import ...` that asks nothing: every column named, in a shell's quotes."""
    words = ["scaling", "import", *sources]
    for name, column in columns.by_name.items():
        if column.why != "--train-loss":
            words += ["--map", f"{name}={column.theirs}"]
    for option, value in settings:
        words += [option] if value is None else [option, value]
    return shlex.join(words)
