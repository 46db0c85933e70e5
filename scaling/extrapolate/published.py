"""The field's laws on the same curve, for comparison: M1 to M4, one-break BNSL, and a local M2.

Reference: Alabdulmohsin et al. 2022 (arXiv:2209.06640); Caballero et al. 2023 (arXiv:2210.14891).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling import laws
from scaling.errors import InputError
from scaling.extrapolate.curve import Curve
from scaling.extrapolate.forecast import rmsle
from scaling.fit import fit
from scaling.fit.objective import squared

Array = NDArray[np.float64]

LOCAL = "m2 local"
METHODS: Mapping[str, str] = {
    **{name: name for name in ("m1", "m2", "m3", "m4", "bnsl1")},
    LOCAL: "m2",  # rows weigh exp(ln(x / x_last) / 0.5)
}
_RECENCY = 0.5  # e-folds of x over which a row's weight falls by e


@dataclass(frozen=True, eq=False)
class Published:
    """A published law's predictions [m] at a curve's `at`, with its bootstrap's 90 % interval of a
    new observation where draws were asked for; None with a status that says why not."""

    status: str
    prediction: Array | None = None
    q05: Array | None = None
    q95: Array | None = None
    rmsle: float | None = None

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {"status": self.status}
        if self.prediction is not None:
            data["prediction"] = self.prediction.tolist()
        if self.rmsle is not None:
            data["rmsle"] = self.rmsle
        return data


def published(curve: Curve, *, draws: int = 0, seed: int = 0) -> dict[str, Published]:
    """Each law of METHODS, fitted to the curve by least squares of ln loss.

    draws: bootstrap refits over rows, to each of which a resampled residual is added.
    """
    found = {}
    for name in METHODS:
        try:
            found[name] = _fit(name, curve, draws, seed)
        except InputError as error:  # too few points for its parameters
            found[name] = Published(f"not fitted: {error}")
    return found


def _fit(name: str, curve: Curve, draws: int, seed: int) -> Published:
    weight = np.exp(np.log(curve.x / curve.x.max()) / _RECENCY)
    table = pd.DataFrame({"x": curve.x, "loss": curve.loss, "weight": weight})
    law = laws.get(METHODS[name])
    with np.errstate(all="ignore"):  # corners of M4 overflow; such points are never the best
        fitted = fit(
            law, table, objective=squared(), draws=draws, kind="row", seed=seed,
            weight="weight" if name == LOCAL else None,
        )  # fmt: skip
        prediction = np.asarray(law.predict(curve.at, **fitted.params))
        low = high = None
        if draws:
            params = dict(zip(law.params, fitted.draws.T[:, :, None], strict=True))
            sampled = np.log(np.asarray(law.predict(curve.at, **params)))
            noise = np.random.default_rng(seed).choice(fitted.residuals, sampled.shape)
            low, high = np.exp(np.nanquantile(sampled + noise, (0.05, 0.95), axis=0))
    known = np.isfinite(curve.truth).any()
    score = rmsle(prediction, curve.truth) if known else None
    return Published(fitted.status, prediction, low, high, score)
