"""Runs that lie off the rest of their table: flagged, never left out.

Log loss against a quadratic in log N and log D, and in the logarithms of learning rate and batch
where they vary, fitted so that a few odd runs move it little (Tukey's biweight); a run is an
outlier where its residual is more than five robust standard errors, of a point that the fit had not
seen. This knows no law: it only asks whether neighbours agree.
"""

from __future__ import annotations

import numpy as np

LIMIT = 5.0
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
        spread = max(1.4826 * float(np.median(np.abs(residuals))), _FLOOR)
        fresh = np.clip(1 - (residuals / (_TUKEY * spread)) ** 2, 0, None) ** 2
        if np.abs(fresh - weights).max() < 1e-6:
            break
        weights = fresh
    beyond = np.abs(residuals) / np.sqrt(1 - leverage) > LIMIT * spread
    return beyond, residuals
