"""Which of a source's columns is which of ours: as asked for, or guessed by name and by value.

A guess says why, and what speaks against it; it is shown and confirmed before anything is read in
full (`proposal.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

import numpy as np

from scaling.errors import InputError
from scaling.importers.columns import MEASURED, NAMES, plain, rank, without_unit
from scaling.importing.named import doubts_of, kind_of, quoted, scaled
from scaling.importing.survey import Field
from scaling.where import Expression, expression

# In this order: what an earlier one takes is none of a later one.
_ORDER = (
    "loss_se", "loss", "train_loss", "loss_unstated", "step", "total_steps", "N", "N_total",
    "N_unstated", "D_unique", "D", "C", "batch_tokens", "batch_tokens_unstated", "sequences",
    "context", "accumulation", "devices", "seed", "learning_rate", "family",
)  # fmt: skip
PARTS = ("sequences", "context", "accumulation", "devices")
SHOWN = tuple(name for name in _ORDER if not name.endswith("_unstated") and name not in PARTS)
# What tells the unit of a column that is no count as it stands.
_CHECKED_BY = {"N": {"C"}, "D": {"C", "batch_tokens"}, "C": {"N", "N_total"}}
ALREADY = 1e6  # of millions or more: such a number counts one by one
_OF_ALL = {"global", "total"}  # words of a batch that is no device's and no part of a step
CONVENTIONS = ("N_kind", "D_kind", "C_kind", "L_kind")  # as our own tables state them


@dataclass(frozen=True)
class Column:
    """One of our columns and what it is made of. why: how it was found; doubts: what the user
    should know; given: by the user; known: the tool itself calls it so; kind: what its name says of
    its convention or nature."""

    ours: str
    made_of: Expression
    why: str
    low: float = math.nan
    high: float = math.nan
    doubts: tuple[str, ...] = ()
    given: bool = False
    known: bool = False
    kind: str = ""

    @property
    def theirs(self) -> str:
        return self.made_of.text

    @property
    def exact(self) -> bool:
        """Whether the user, or its name, has said its unit."""
        return self.theirs not in [quoted(name) for name in self.made_of.columns]


@dataclass(frozen=True)
class Columns:
    """All columns that were found. unused: the fields that none is made of. refused: by our name,
    fields of that name whose values can't be meant."""

    by_name: Mapping[str, Column]
    unused: tuple[str, ...]
    refused: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def __getitem__(self, name: str) -> Column:
        return self.by_name[name]

    @property
    def guessed(self) -> list[Column]:
        return [column for column in self.by_name.values() if not column.given]


def find(
    fields: Mapping[str, Field],
    usual: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
    *,
    training: bool = False,
) -> Columns:
    """Guess our columns of these fields. given: expressions by our names, as the user wrote them;
    training: the training loss may stand for the loss."""
    found = {ours: _given(ours, text, fields, usual) for ours, text in given.items()}
    # What a count is worked out from is still there to be itself: `--map D="step * 524288"`.
    taken = {
        name
        for ours, column in found.items()
        for name in column.made_of.columns
        if ours in MEASURED or column.theirs == quoted(name)
    }
    refused: dict[str, str] = {}
    unlikely: dict[str, Column] = {}
    for ours in _ORDER:
        settled = ours.removesuffix("_unstated")
        if ours == "N_unstated" and "N" in found and found["N"].kind == "non_embedding":
            settled = "N_total"  # beside a count without tables
        if settled in found:
            continue
        if (column := _guess(ours, fields, usual, taken, unlikely)) is not None:
            found[settled] = replace(column, ours=settled)
            taken |= set(column.made_of.columns)
    if training and "loss" not in given and "train_loss" in found:
        train = found["train_loss"]
        found["loss"] = Column("loss", train.made_of, "--train-loss", train.low, train.high,
                               kind="train_loss")  # fmt: skip
    _add_tokens(found)
    for name, column in unlikely.items():
        if name not in found and _CHECKED_BY.get(name, set()) & set(found):
            checked = "no count as it stands: its unit is found by what it must agree with"
            found[name] = replace(column, doubts=(checked,))
        elif name not in found:
            refused[name] = column.doubts[-1]
    parts = {name: found.pop(name) for name in PARTS if name in found}
    used = taken | {n for part in parts.values() for n in part.made_of.columns}
    unused = tuple(name for name in fields if name not in used and name not in CONVENTIONS)
    order = [name for name in SHOWN if name in found]
    return Columns({name: found[name] for name in order}, unused, refused)


def _given(
    ours: str, text: str, fields: Mapping[str, Field], usual: Mapping[str, Sequence[str]]
) -> Column:
    if ours not in SHOWN:
        near = get_close_matches(ours, SHOWN, 2)
        hint = f"nearest: {', '.join(near)}; " if near else ""
        raise InputError(f"--map {ours}={text}: no column of ours; {hint}valid: {', '.join(SHOWN)}")
    bare = text if text in fields else text.strip("`")
    if bare in fields:  # a column, in the unit that its name says
        return _column(ours, fields[bare], (), given=True, kind=_given_kind(ours, [bare], usual))
    made_of = expression(text, f"--map {ours}")
    for name in made_of.columns:
        if name not in fields:
            near = get_close_matches(name, list(fields), 3)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise InputError(
                f"--map {ours}={text}: no field {name!r}; found: {', '.join(fields)}{hint} "
                "(odd names stand in `backticks`)"
            )
    kind = _given_kind(ours, made_of.columns, usual)
    return Column(ours, made_of, "given", given=True, kind=kind)


def _given_kind(ours: str, names: Sequence[str], usual: Mapping[str, Sequence[str]]) -> str:
    if ours != "loss":
        return ""
    if any(_is_training(name, usual) for name in names):
        return "train_loss"
    return kind_of(ours, names[0]) if len(names) == 1 else ""


def _guess(
    ours: str,
    fields: Mapping[str, Field],
    usual: Mapping[str, Sequence[str]],
    taken: set[str],
    unlikely: dict[str, Column],
) -> Column | None:
    settled = ours.removesuffix("_unstated")
    ranked: list[tuple[int, Field, bool]] = []
    for field in fields.values():
        if field.name in taken or (field.text and not NAMES[ours].text):
            continue
        place = _usual(usual.get(ours, ()), field.name)
        known = place is not None
        if place is None and (place := rank(ours, field.name)) is None:
            continue
        if _plausible(ours, field):
            ranked.append((place - (1000 if known else 0), field, known))
        else:
            unlikely.setdefault(settled, _column(ours, field, (_out_of_range(ours, field),)))
    if not ranked:
        return None
    ranked.sort(key=lambda item: item[0])
    _, field, known = ranked[0]
    doubts = doubts_of(ours, field.name)
    rivals = [other.name for _, other, k in ranked[1:] if k == known]
    if rivals and settled in ("loss", "N", "D"):
        doubts.append(f"could be {', '.join(rivals[:4])} as well")
    return _column(ours, field, tuple(doubts), known=known)


def _column(
    ours: str,
    field: Field,
    doubts: tuple[str, ...],
    *,
    known: bool = False,
    given: bool = False,
    kind: str | None = None,
) -> Column:
    settled = ours.removesuffix("_unstated")
    made_of, scale = scaled(settled, field.name)
    why = "given" if given else "as this tool names it" if known else "by its name"
    if scale != 1:
        why += f", in units of {scale:.0e}".replace("e+0", "e")
    low, high = field.low, field.high
    if not field.text:
        low, high = map(float, made_of({field.name: np.array([low, high])}))
    kind = kind_of(ours, field.name) if kind is None else kind
    return Column(settled, made_of, why, low, high, doubts, given, known, kind)


def _out_of_range(ours: str, field: Field) -> str:
    settled = ours.removesuffix("_unstated")
    name = NAMES[settled]
    _, scale = without_unit(field.name)
    if scale >= ALREADY <= field.low:
        return (
            f"{field.name} runs from {field.low:.4g} to {field.high:.4g}, of which the name's unit "
            f'makes {scale:.0e} times as many; say which is meant: --map {settled}="'
            f'{quoted(field.name)} * 1" or "{quoted(field.name)} * {scale:.0e}"'
        )
    return (
        f"{field.name} runs from {field.low:.4g} to {field.high:.4g}, and {name.about} from "
        f"{name.low:.0e} to {name.high:.0e}; if it is meant, say in which unit, such as "
        f'--map {settled}="{quoted(field.name)} * 1e6"'
    )


def _is_training(name: str, usual: Mapping[str, Sequence[str]]) -> bool:
    known = _usual(usual.get("train_loss", ()), name) is not None
    return known or rank("train_loss", name) is not None


def _usual(patterns: Sequence[str], name: str) -> int | None:
    for place, pattern in enumerate(patterns):
        if name == pattern or fnmatchcase(name, pattern):
            return place
    return None


def _plausible(ours: str, field: Field) -> bool:
    _, scale = scaled(ours.removesuffix("_unstated"), field.name)
    if scale >= ALREADY <= field.low:
        return False  # `70M` in a column of millions
    if (NAMES[ours].text and field.text) or math.isnan(field.low):
        return True
    words = set(plain(field.name).split("_"))
    high = math.inf if words & {"ppl", "perplexity"} else NAMES[ours].high
    low = NAMES[ours].low
    least = min(0.0, low) if field.varies or ours in MEASURED else low  # a log begins at no token
    return low <= field.high * scale <= high and field.low * scale >= least


def _add_tokens(found: dict[str, Column]) -> None:
    """Batches and tokens from what they are the product of, where they stand nowhere."""
    parts = [found[name] for name in PARTS if name in found]
    if "sequences" in found and set(plain(found["sequences"].theirs).split("_")) & _OF_ALL:
        parts = [found[name] for name in ("sequences", "context") if name in found]
    if "batch_tokens" not in found and {"sequences", "context"} <= set(found):
        text = " * ".join(part.theirs for part in parts)
        doubt = "right if the sequences are those of "
        doubt += "one device and one accumulated batch" if len(parts) > 2 else "a whole step"
        found["batch_tokens"] = Column(
            "batch_tokens", expression(text, "--map batch_tokens"), "sequences x their length",
            doubts=(doubt,),
        )  # fmt: skip
    if "D" not in found and {"step", "batch_tokens"} <= set(found):
        batch = found["batch_tokens"]
        text = f"{found['step'].theirs} * {batch.theirs}"
        found["D"] = Column("D", expression(text, "--map D"), "steps x tokens of a batch",
                            doubts=batch.doubts)  # fmt: skip
