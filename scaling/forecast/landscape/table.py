"""The table of known models: one row a model, each number with its source.

`image.csv` and `language.csv` hold what was published, nothing derived; an empty cell was not
published or not found. `known` is "published", or "estimated" where others than its maker gave the
number (`by` says who). `checked` says how the row was verified: "read" (every number, in the source
or a transcription of it), "part" (`note` says which), "quoted" (widely quoted, not read again).
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pandas as pd

from scaling.errors import InputError

KINDS = ("image", "language")
_DATE = re.compile(r"^(\d{4})(?:-(\d{2}))?$")
_TEXT = ("name", "family", "organisation", "date", "type", "known", "by", "source", "checked",
         "note", "data", "test", "training")  # fmt: skip
_NUMBERS = ("N_total", "N_active", "N", "D", "C", "epochs", "gmacs", "resolution", "data_images",
            "images_seen", "top1_error", "top5_error")  # fmt: skip


def models(kind: str, *, since: str | None = None, estimates: bool = False) -> pd.DataFrame:
    """The models of a kind, oldest first, with `year` and `compute` added.

    since: a year, or YYYY-MM. estimates: with those whose numbers are estimates of others. year:
    of the middle of its month, for trends. compute: the training FLOPs; compute_kind: "published"
    or "estimated" as the model is, or how they were worked out here: "6ND" of the parameters that a
    token meets, "6 x multiply-adds" a training image (two FLOPs each; backward costs twice
    forward). Raises InputError for another kind, and for a date that is none.
    """
    check_kind(kind)
    path = Path(__file__).with_name(f"{kind}.csv")
    table = pd.read_csv(path, dtype=dict.fromkeys(_TEXT, str), keep_default_na=False,
                        na_values={name: [""] for name in _NUMBERS})  # fmt: skip
    if since is not None:
        table = table[table["date"] >= _month(since)]
    if not estimates:
        table = table[table["known"] == "published"]
    if table.empty:
        raise InputError(f"--since {since}: no {kind} model in the table is that young")
    year, month = (table["date"].str[part].astype(float) for part in (slice(4), slice(5, 7)))
    return _with_compute(table.assign(year=year + (month - 0.5) / 12), kind).reset_index(drop=True)


def kinds_since(since: str | None) -> list[str]:
    """The kinds that have models so young. Raises InputError where none has."""
    found = [kind for kind in KINDS if since is None or _newest(kind) >= _month(since)]
    if not found:
        raise InputError(f"--since {since}: no model in the table is that young")
    return found


def _newest(kind: str) -> str:
    return str(models(kind)["date"].max())


def check_kind(kind: str) -> None:
    """Raise InputError, with the nearest, for what is no kind of model in the table."""
    if kind not in KINDS:
        near = difflib.get_close_matches(kind.lower(), KINDS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"unknown kind of model {kind!r}; valid: {', '.join(KINDS)}{hint}")


def met_by_a_token(table: pd.DataFrame) -> pd.Series[float]:
    """Parameters that a token meets: the active ones of a mixture of experts, else all."""
    return table["N_active"].where(table["type"] == "moe", table["N_total"])


def _with_compute(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    if kind == "language":
        decoder = table["type"].isin(["decoder", "moe"])
        worked_out = (6 * met_by_a_token(table) * table["D"]).where(decoder)
        how = "6ND"
    else:
        worked_out, how = 6e9 * table["gmacs"] * table["images_seen"], "6 x multiply-adds"
    said = pd.Series("", index=table.index).mask(worked_out.notna(), how)
    said = said.mask(table["C"].notna(), table["known"])
    return table.assign(
        compute=table["C"].fillna(worked_out),
        compute_kind=said,
        worked_out=worked_out,
    )


def _month(since: str) -> str:
    found = _DATE.match(since.strip())
    if not found or not 1 <= int(found[2] or 1) <= 12:
        raise InputError(f"--since {since!r}: valid is a year or YYYY-MM, such as 2020 or 2020-06")
    return f"{found[1]}-{found[2] or '01'}"
