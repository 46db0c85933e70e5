"""Numbers that JSON has no words for, as trackers write them: as texts."""

from __future__ import annotations

import math
from collections.abc import Mapping

from scaling.importers.contract import Scalar

_TEXTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def parted(values: Mapping[str, Scalar]) -> tuple[dict[str, float], dict[str, str]]:
    """Numbers, among them truth values; and texts."""
    numbers, texts = dict[str, float](), dict[str, str]()
    for name, value in values.items():
        if isinstance(value, str) and value not in _TEXTS:
            texts[name] = value
        else:
            numbers[name] = _TEXTS[value] if isinstance(value, str) else float(value)
    return numbers, texts
