"""ParScale's law of parallel streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling import laws
from scaling.fit import fit, huber


def test_streams_count_as_parameters() -> None:
    p = {"E": 0.7, "Nc": 1e7, "alpha": 0.19, "k": 0.4}
    law = laws.get("parscale")
    eight = float(law.predict(N=1e9, P=8.0, **p))
    assert eight == pytest.approx(float(law.predict(N=1e9 * (0.4 * np.log(8) + 1), P=1.0, **p)))
    assert float(law.predict(N=1e7, P=1.0, **p)) == pytest.approx(1.7)


def test_released_losses(shared_data: Path) -> None:
    found = fit("parscale", pd.read_csv(shared_data / "parscale.csv"), objective=huber(), draws=0)
    assert found.value == pytest.approx(3.67674e-5, rel=1e-6)
    expected = {"E": 0.691207042, "Nc": 1.13070732e7, "alpha": 0.189358252, "k": 0.393456776}
    assert found.params == pytest.approx(expected, rel=1e-8)
