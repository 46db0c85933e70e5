"""An import from end to end: sources to runs, runs to one table, and the account of it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pandas as pd

from scaling import importers
from scaling.errors import InputError
from scaling.importers.tracked_names import NAMES as TRACKED
from scaling.importing import merging, points, proposal, sources
from scaling.importing.account import Account
from scaling.importing.curve_file import CurveFile
from scaling.importing.curves import Shelf
from scaling.importing.mapping import Columns, find
from scaling.importing.named import quoted
from scaling.importing.outliers import flag
from scaling.importing.pieces import piece
from scaling.importing.rows import Asked, Rows
from scaling.importing.survey import survey


@dataclass(frozen=True)
class Imported:
    """The run table and the account of it."""

    df: pd.DataFrame
    account: Account


def import_runs(
    given: Sequence[str],
    asked: Asked | None = None,
    *,
    agree: Callable[[proposal.Proposal], None] = lambda _: None,
    settings: Sequence[tuple[str, str | None]] = (),
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Imported:
    """Read runs that other tools trained as one run table.

    agree: is shown which column is which before all is read, and raises to stop; settings: the
    command line's other options, for the account; progress: told of runs read.
    Raises InputError for sources that cannot be read and for columns that are missing.
    """
    asked = asked or Asked()
    loss = points.rule(asked.loss)
    found = sources.find(given, asked.importer, asked.options)
    trained, evaluations = sources.parted(found)
    seen, runs = sources.sampled(trained)
    if not seen:
        raise InputError(f"{', '.join(given)}: no runs")
    if evaluations is not None:
        seen, runs = [evaluations.joined(run) for run in seen], evaluations.with_all(runs)
        asked = replace(asked, keep=tuple(dict.fromkeys((*asked.keep, *evaluations.metrics))))
    fields = survey(seen)
    usual: dict[str, list[str]] = {}
    tools = dict.fromkeys(source.importer.NAME for source in found)
    tools.pop(importers.LAST, None)  # a table's names are anybody's
    for tool in tools:
        for ours, theirs in importers.get(tool).USUAL.items():
            usual.setdefault(ours, []).extend(theirs)
    if lost := [name for name in asked.keep if name not in fields]:
        raise InputError(f"--keep {lost[0]}: no field of that name; found: {', '.join(fields)}")
    columns = find(fields, usual, asked.maps, training=asked.training)
    counted = proposal.check(columns, fields, seen, given[0])
    command = proposal.command(given, columns, settings)
    agree(proposal.Proposal(columns, len(seen), counted, command))
    with ExitStack() as stack:
        shelf = Shelf(stack.enter_context(tempfile.TemporaryFile()))
        kept = []
        for number, run in enumerate(runs, 1):
            kept.append(merging.kept(piece(run, columns), shelf))
            progress(number, 0)
        curves = stack.enter_context(CurveFile(asked.curves)) if asked.curves else None
        made = Rows(columns, asked, loss)
        for group in merging.by_id(kept):
            merged = merging.merge(group, shelf)
            name = made.add(merged)
            if curves is not None and name is not None:
                curves.add(name, merged.piece.points)
    own_names = all(importers.get(tool).USUAL is not TRACKED for tool in tools)
    settled = made.settled(tool=bool(tools), own_names=own_names)
    df = made.table(settled)
    account = Account(
        command=command,
        sources=[{"source": s.text, "importer": s.importer.NAME, "sha256": s.sha256}
                 for s in found],
        columns={name: proposal.described(column) for name, column in columns.by_name.items()},
        conventions=settled.kinds,
        loss=str(loss),
        runs=len(kept),
        rows=len(df),
        statuses=dict(Counter(df["status"])),
        unused=columns.unused,
        conversions=[*_conversions(columns), *settled.conversions],
        found=settled.found,
        merged=made.merged,
        left_out=made.left_out,
        not_finished=made.not_finished,
        flagged=flag(df),
        notes=made.notes,
    )  # fmt: skip
    return Imported(df, account)


def _conversions(columns: Columns) -> list[str]:
    """What names alone said of units, and products."""
    return [
        "; ".join([f"{name} = {column.theirs}, {column.why}", *column.doubts])
        for name, column in columns.by_name.items()
        if [column.theirs] != [quoted(each) for each in column.made_of.columns]
    ]
