"""The rows of a run table as runs come, and what is told: left out, merged, not finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import InputError
from scaling.importing import merging, points
from scaling.importing.account import Told
from scaling.importing.conventions import Settled, settle
from scaling.importing.curves import LOSS, TRAIN, End, end
from scaling.importing.mapping import Columns
from scaling.importing.merging import Merged
from scaling.importing.pieces import Piece

PARTWAY = "partway"
# In this order, those that nothing is known of left out.
_FIRST = ("run", "name", "family", "N", "N_total", "D", "D_unique", "C", "C_6ND", "loss", "loss_se",
          "train_loss", "seed", "learning_rate", "batch_tokens", "steps", "status", "reason",
          "flag")  # fmt: skip
# Of our own tables, what is passed on as it is.
_OWN = ("role", "trunk", "transfer")
_STATUSES = ("finished", "recovered", "stopped", "diverged", "failed", PARTWAY)
_ALWAYS = ("run", "N", "D", "C_6ND", "loss", "status", "reason", "flag")
_ONLY_CHECKED = ("counted_N", "counted_N_total", "vocab", "first_loss")


@dataclass(frozen=True)
class Asked:
    """What the user wants of an import; see `scaling import --help`."""

    maps: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    importer: str | None = None
    loss: str = "final"
    points: int | None = 1
    as_finished: bool = False
    training: bool = False
    keep: tuple[str, ...] = ()
    curves: Path | None = None


class Rows:
    """Rows as runs come, and what is told of them."""

    def __init__(self, columns: Columns, asked: Asked, loss: points.Rule) -> None:
        self.columns, self.asked, self.loss = columns, asked, loss
        self.rows: list[dict[str, Any]] = []
        self.merged: list[Told] = []
        self.left_out: list[Told] = []
        self.not_finished: list[Told] = []
        self.notes: list[Told] = []
        self.stated: dict[str, set[str]] = {}
        self._names: Counter[str] = Counter()
        self._keys: dict[str, tuple[str, slice]] = {}

    def add(self, merged: Merged) -> str | None:
        """A run's rows; gives the name that it has in the table, None for one left out."""
        run = merged.piece
        ended = self._end(run)
        self.notes += [Told(run.id, run.origin, note) for note in run.notes]
        rows = list(points.chosen(run.points, ended, self.loss, self.asked.points))
        if not np.isfinite(rows[-1].tokens):
            self.left_out.append(Told(run.id, run.origin, "nothing says how many tokens it saw"))
            return None
        key = merging.key(run, self.columns, rows[-1].tokens, rows[-1].loss)
        if key in self._keys:
            before, where = self._keys[key]
            self.left_out.append(Told(before, self.rows[where.start]["origin"],
                                      f"the same settings, seed, tokens and loss as {run.id} "
                                      f"({run.origin}), which stands"))  # fmt: skip
            self.rows[where] = [{}] * (where.stop - where.start)
        self._names[run.id] += 1
        times = self._names[run.id]
        name = run.id if times == 1 else f"{run.id}#{times}"
        if times > 1:
            self.notes.append(Told(name, run.origin, f"another run is called {run.id}, too"))
        self.merged += [Told(name, run.origin, told) for told in merged.told]
        begin = len(self.rows)
        self.rows += [self._row(run, name, point, ended) for point in rows]
        self._keys[key] = (name, slice(begin, len(self.rows)))
        last = self.rows[-1]
        if last["status"] != "finished":
            told = f"{last['status']}: {last['reason']}"
            self.not_finished.append(Told(name, run.origin, told))
        for kind, value in run.stated.items():
            self.stated.setdefault(kind, set()).add(value)
        return name

    def _end(self, run: Piece) -> End:
        ended = end(run.points, float(run.values.get("total_steps", 0)), run.ended)
        if ended.at < 0 and run.nan_loss:
            return End(-1, "diverged", "loss is NaN")
        return ended

    def _row(self, run: Piece, name: str, point: points.Point, ended: End) -> dict[str, Any]:
        status, reason = ended.status, ended.reason
        if not point.end:
            status, reason = PARTWAY, "a point on the way of a run"
            if self.asked.as_finished:
                status, reason = "finished", ""
        seen = run.points[:, TRAIN]
        seen = seen if np.isfinite(seen).any() else run.points[:, LOSS]
        first = seen[np.isfinite(seen)]
        row: dict[str, Any] = {name: run.config.get(name) for name in self.asked.keep}
        row |= {k: v for k, v in run.values.items() if k != "total_steps"}
        row |= {
            "run": name,
            "name": run.name if run.name != run.id else None,
            "D": point.tokens,
            "loss": point.loss,
            "steps": point.step,
            "train_loss": point.train_loss,
            "status": status,
            "reason": reason,
            "flag": "",
            "trunk": name,
            "origin": run.origin,
            "first_loss": first[0] if len(first) > 1 else None,
            "vocab": None,
        }
        row |= {name: run.config[name] for name in _OWN if name in run.config}
        if point.end and str(run.config.get("status")) in _STATUSES:  # a run table says it itself
            row |= {"status": run.config["status"], "reason": run.config.get("reason", "")}
        if row["status"] == "diverged" and point.end:
            row["loss"] = np.nan
        if run.counts is not None:
            row |= {"counted_N": run.counts.N, "counted_N_total": run.counts.N_total,
                    "vocab": run.counts.vocab}  # fmt: skip
        return row

    def settled(self, *, tool: bool, own_names: bool) -> Settled:
        """All rows as a table whose conventions are settled. tool: a tool's, not anybody's table;
        own_names: it names columns itself, where trackers leave that to whoever trains."""
        rows = [row for row in self.rows if row]
        if not rows:
            why = f": {self.left_out[0]}" if self.left_out else ""
            raise InputError(f"no run has what a row needs{why}")
        df = pd.DataFrame(rows)
        for name in ("N", "N_total", "C", "batch_tokens", "steps", *_ONLY_CHECKED):
            df[name] = pd.to_numeric(df[name], errors="coerce") if name in df else np.nan
        named = {}
        for kind, values in self.stated.items():
            if len(values) > 1 and kind not in self.asked.kinds:
                raise InputError(
                    f"{kind} is stated as {' and as '.join(sorted(values))}: import one convention "
                    f"at a time, or say which it is with --kind {kind[0]}={min(values)}"
                )
            named[kind] = min(values)
        for ours, kind in (("N", "N_kind"), ("loss", "L_kind")):
            if ours in self.columns and self.columns[ours].kind:
                named.setdefault(kind, self.columns[ours].kind)
        sure = {kind[0] for kind in self.stated}  # our own tables state what they count
        for name, column in self.columns.by_name.items():
            if column.exact or (own_names and column.known):
                sure.add(name.removesuffix("_total"))
        return settle(df, named, self.asked.kinds, tool=tool, sure=sure)

    def table(self, settled: Settled) -> pd.DataFrame:
        """The table as it is written: columns in order, without those that nothing is known of."""
        df = settled.df.drop(columns=list(_ONLY_CHECKED))
        several = self.asked.points != 1 or (df["trunk"] != df["run"]).any()
        order = [name for name in _FIRST if name in df.columns]
        order += [name for name in self.asked.keep if name in df.columns and name not in order]
        order += [name for name in _OWN if name in df.columns and (name != "trunk" or several)]
        df = df[[*order, "origin"]]
        empty = [n for n in df.columns if n not in _ALWAYS and df[n].isna().all()]
        df = df.drop(columns=empty).reset_index(drop=True)
        return df.assign(**settled.kinds)
