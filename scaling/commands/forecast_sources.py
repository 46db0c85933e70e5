"""The sources that `scaling forecast` is given: tables, saved fits, published parameters, and
studies, which forecast by their own rule as their reports do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling.commands.options import forecasters_of, read, saved_fit
from scaling.errors import InputError
from scaling.terminal import progress

if TYPE_CHECKING:
    import pandas as pd

    from scaling.forecast.forecast import Nearest
    from scaling.forecast.grounds import Grounds
    from scaling.forecast.sources import Source


def sources_of(
    names: Sequence[str],
    of_table: Callable[[pd.DataFrame, str], Grounds],
    like: Path | None,
    n: str | None,
    where: str | None,
    columns: str | None,
    recovered: bool,
) -> list[Source]:
    """The sources by name; tables in the count of N that all others have, where they have it.

    like: a table whose ladder gives the nearest configurations of sources that name none.
    """
    from scaling.forecast.sources import Source, smallest_of

    found: dict[str, list[Source]] = {}
    tables = []
    for name in dict.fromkeys(names):
        path = Path(name)
        if path.is_dir():
            found[name] = _of_study(name)
        elif path.suffix == ".json" or not (path.suffix or path.exists()):
            grounds = _without_table(path)
            nearest = None
            if like is not None:
                nearest = _buildable(read(like, None), grounds.predictor.n_column, where)
            found[name] = [Source(name, grounds, nearest, smallest_of(grounds.predictor))]
        else:
            tables.append(name)
    counts = {item.predictor.n_column for items in found.values() for item in items}
    for name in tables:
        df = read(Path(name), columns, recovered)
        count = n or "N"
        if n is None and len(counts) == 1 and counts <= set(df.columns):
            (count,) = counts
        nearest, grounds = _buildable(df, count, where), of_table(df, count)
        batch = float(df["batch_tokens"].min()) if "batch_tokens" in df.columns else None
        smallest = (float(df[count].min()), batch)
        found[name] = [Source(name, grounds, nearest, smallest)]
    return [source for name in dict.fromkeys(names) for source in found[name]]


def table_grounds(
    df: pd.DataFrame,
    law: str | None,
    laws: str | None,
    rollouts: bool,
    settings: dict[str, Any],
) -> Grounds:
    """The default forecaster of a table, the law asked for, or the average of several."""
    from scaling.forecast import from_table

    with progress("rollouts") as told:
        if law is not None:
            return from_table.of_law(df, law, **settings, rollouts=rollouts, progress=told)
        common = {key: settings[key] for key in ("N", "where", "draws", "seed")}
        if laws is not None:
            return from_table.of_laws(df, forecasters_of(laws), **common, progress=told)
        return from_table.of_default(df, **common, rollouts=rollouts, progress=told)


def _buildable(df: pd.DataFrame, count: str, where: str | None) -> Nearest | None:
    from scaling.forecast.buildable import buildable  # late: a saved fit answers without pandas

    return buildable(df, count, where)


def _of_study(name: str) -> list[Source]:
    """The laws that the report of a study's folder rests on, those of each family apart."""
    from scaling.forecast.sources import Source
    from scaling.report.read import read_study

    study = read_study(Path(name))
    if not study.grounds:
        raise InputError(f"{name}: {' '.join(study.missing) or 'no run that a law could be of'}")
    nearest = study.nearest()
    return [
        Source(
            f"{name}, {family}" if study.families else name,
            grounds,
            nearest.get(family),
            study=name,
        )
        for family, grounds in study.grounds.items()
    ]


def _without_table(path: Path) -> Grounds:
    """A saved fit, or published parameters by name."""
    from scaling.forecast import grounds, published_law

    if path.suffix == ".json":
        return grounds.of_fit(saved_fit(path))
    return grounds.of_published(published_law(str(path)))
