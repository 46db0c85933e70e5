"""Runs that lie off the rest of their table: flagged, never left out.

Log loss against a quadratic in log N and log D, and in the logarithms of learning rate and batch
where they vary, fitted so that a few odd runs move it little (Tukey's biweight); a run is an
outlier where its residual is more than five robust standard errors, of a point that the fit had not
seen. This knows no law: it only asks whether neighbours agree.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.importing.account import Told

FLAG = "outlier"
LIMIT = 5.0
_SWEPT = ("learning_rate", "batch_tokens")  # beside N and D
PER_TERM = 3  # runs for each term of the trend, at least
_TUKEY = 4.685
_FLOOR = 1e-4  # of log loss: what logs are rounded to is no spread


def flagged(loss: np.ndarray, *settings: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each run whether it is an outlier, and by how much (log loss) it lies above the trend.

    settings: N, D and what else was varied, all above 0. None where there are too few runs to tell.
    """
    if not len(loss):
        return None
    x = [np.log(values) for values in settings if len(np.unique(values)) > 1]
    x = [(values - values.mean()) / values.std() for values in x]
    terms = [np.ones(len(loss)), *x]
    for i, one in enumerate(x):
        for other in x[i:]:
            terms.append(one * other)
    design = np.column_stack(terms)
    rank = int(np.linalg.matrix_rank(design))
    if not len(loss) or len(loss) < PER_TERM * rank:
        return None
    y = np.log(loss)
    weights = np.ones(len(y))
    residuals, leverage, spread = y - y.mean(), np.zeros(len(y)), 1.0
    for _ in range(50):
        root = np.sqrt(weights)
        q, _, _ = np.linalg.svd(design * root[:, None], full_matrices=False)
        q = q[:, :rank]
        leverage = np.clip((q**2).sum(axis=1), 0, 0.99)
        solution = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        residuals = y - design @ solution
        far = np.sort(np.abs(residuals))[rank - 1 :]  # a fit of so many terms meets so many points
        spread = max(1.4826 * float(np.median(far)), _FLOOR)
        fresh = np.clip(1 - (residuals / (_TUKEY * spread)) ** 2, 0, None) ** 2
        if np.abs(fresh - weights).max() < 1e-6:
            break
        weights = fresh
    beyond = np.abs(residuals) / np.sqrt(1 - leverage) > LIMIT * spread
    return beyond, residuals


def flag(df: pd.DataFrame) -> list[Told]:
    """Set the flags of outliers, and tell of them."""
    told = []
    sound = df[(df["status"] == "finished") & (df["loss"] > 0) & (df["N"] > 0) & (df["D"] > 0)]
    groups = sound.groupby("family", dropna=False) if "family" in df else [("", sound)]
    for _, rows in groups:
        settings = ["N", "D", *(s for s in _SWEPT if s in rows and (rows[s] > 0).all())]
        columns = [rows[name].to_numpy(float) for name in ("loss", *settings)]
        found = flagged(*columns)
        if found is None:
            continue
        beyond, residuals = found
        for i in np.flatnonzero(beyond):
            row = rows.iloc[int(i)]
            df.loc[rows.index[int(i)], "flag"] = FLAG
            side = "above" if residuals[i] > 0 else "below"
            told.append(Told(row["run"], row["origin"], f"loss {row['loss']:.4g} is "
                        f"{abs(np.expm1(residuals[i])):.1%} {side} the trend of its neighbours"
                        ))  # fmt: skip
    return told
