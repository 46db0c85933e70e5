"""From a size to the nearest configuration that a table's own ladder can build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from scaling.errors import InputError
from scaling.families import nearest_like
from scaling.table import FAMILY, select_rows


def buildable(
    df: pd.DataFrame, n: str, where: str | None
) -> Callable[[float], dict[str, Any]] | None:
    """From N to the nearest configuration of the table's own ladder, where it names one."""
    if not {FAMILY, "config"} <= set(df.columns):
        return None
    if df[FAMILY].nunique() > 1:  # then the filter chooses one
        df, _ = select_rows(df, where)
    if df[FAMILY].nunique() != 1:
        return None
    found = nearest_like(str(df[FAMILY].iloc[0]), df["config"].unique(), n)

    def nearest(size: float) -> dict[str, Any]:
        try:
            return found(size)
        except InputError as error:  # a size that no shape has: the forecast stands without one
            return {"none": str(error)}
        except TypeError as error:  # configurations that leave out what the family needs
            return {"none": f"the table's configurations say too little: {error}"}

    return nearest
