"""What a report is given, read: a study's folder, a run table, or a saved fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scaling import files
from scaling.errors import InputError
from scaling.fit import Fit
from scaling.fit.saved import saved_fit
from scaling.report.laws import fit_law, of_fit
from scaling.report.pooled import Pooled
from scaling.report.read import read_study
from scaling.report.study import Study
from scaling.table import TABLES, read_table

if TYPE_CHECKING:
    from scaling.files import Place

LAW = "chinchilla"  # of a table, unless another is asked for


# A report is made of whatever is left of these.
OF_A_STUDY = {"study.json", "grid.toml", "cells", "forecast.json"}


def read_source(
    source: Place | str,
    *,
    law: str | None = None,
    N: str | None = None,
    where: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Study:
    """Whatever a report can be made of. law, N, where, columns: how a table is read and fitted; a
    study's folder says so itself, a saved fit is fitted already.

    Raises InputError for what is none of them, and for a table that no law can be fitted to.
    """
    asked = {"--law": law, "--n": N, "--where": where, "--columns": columns}
    given = [name for name, value in asked.items() if value]
    suffix = Path(str(source)).suffix
    if suffix in TABLES and not files.is_folder(files.folder(source)):
        study = of_table(read_table(str(source), columns), law or LAW, N=N or "N", where=where)
        if columns:
            pairs = ",".join(f"{ours}={theirs}" for ours, theirs in columns.items())
            study.command += ("--columns", pairs)
        return study
    if given:
        what = "a saved fit" if suffix == ".json" else "a study's folder"
        raise InputError(f"{source}: {', '.join(given)}: of a run table only; {what} has its own")
    if suffix == ".json":
        return of_saved(saved_fit(Path(str(source))), Path(str(source)).name)
    if not files.is_folder(files.folder(source)) and files.exists(files.folder(source)):
        raise InputError(
            f"{source}: valid are a study's folder, a run table ({', '.join(TABLES)}) and a fit "
            "saved as .json"
        )
    folder = files.folder(source)
    if files.is_folder(folder) and not OF_A_STUDY & set(files.names(folder)):
        raise InputError(
            f"{source}: no study here (neither {', '.join(sorted(OF_A_STUDY))}); give a study's "
            "folder, a run table or a saved fit"
        )
    return read_study(folder)


def of_table(
    table: pd.DataFrame, law: str = LAW, *, N: str = "N", where: str | None = None
) -> Study:
    """A run table as a report needs it, with a law fitted to each of its families.

    Raises InputError where the table has no usable rows, or not the columns that the law asks for.
    """
    name = str(table.attrs.get("source", "table"))
    study = Study(Path(name).name, kind="table", table=table)
    study.command = (
        Path(name).name,
        "--law",
        law,
        "--n",
        N,
        *(("--where", where) if where else ()),
    )
    fit_law(study, law, lambda error: str(error).replace(name, Path(name).name), N=N, where=where)
    if not study.fits:
        raise InputError(f"{name}: {' '.join(study.missing)}")
    return study


def of_saved(fitted: Fit, name: str = "fit") -> Study:
    """A fit as a report needs it: its points are the runs."""
    study = Study(name, kind="fit", command=(name,), kinds=dict(fitted.conventions))
    study.grounds[""] = grounds = of_fit(fitted)
    assert isinstance(grounds.predictor, Pooled)  # as `of_fit` makes it
    study.fits[""] = grounds.predictor
    return study
