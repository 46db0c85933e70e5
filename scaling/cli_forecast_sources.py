"""The sources that `scaling forecast` is given: tables, saved fits, published parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling.cli_options import forecasters_of, read, saved_fit
from scaling.terminal import progress

if TYPE_CHECKING:
    import pandas as pd

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
    from scaling.forecast.buildable import buildable
    from scaling.forecast.sources import Source, smallest_of

    found: dict[str, Source] = {}
    tables = []
    for name in dict.fromkeys(names):
        path = Path(name)
        if path.suffix == ".json" or not (path.suffix or path.exists()):
            grounds = _without_table(path)
            nearest = None
            if like is not None:
                nearest = buildable(read(like, None), grounds.predictor.n_column, where)
            found[name] = Source(name, grounds, nearest, smallest_of(grounds.predictor))
        else:
            tables.append(name)
    counts = {item.predictor.n_column for item in found.values()}
    for name in tables:
        df = read(Path(name), columns, recovered)
        count = n or "N"
        if n is None and len(counts) == 1 and counts <= set(df.columns):
            (count,) = counts
        nearest, grounds = buildable(df, count, where), of_table(df, count)
        batch = float(df["batch_tokens"].min()) if "batch_tokens" in df.columns else None
        smallest = (float(df[count].min()), batch)
        found[name] = Source(name, grounds, nearest, smallest)
    return [found[name] for name in dict.fromkeys(names)]


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


def _without_table(path: Path) -> Grounds:
    """A saved fit, or published parameters by name."""
    from scaling.forecast import grounds, published_law

    if path.suffix == ".json":
        return grounds.of_fit(saved_fit(path))
    return grounds.of_published(published_law(str(path)))
