"""The landscape: known models by their published numbers, their trends, and a law's frontier."""

from scaling.forecast.landscape.landscape import Landscape, landscape
from scaling.forecast.landscape.place import Placed, place
from scaling.forecast.landscape.table import KINDS, check_kind, kinds_since, models
from scaling.forecast.landscape.trends import Trend, records, trends

__all__ = [
    "KINDS", "Landscape", "Placed", "Trend", "check_kind", "kinds_since", "landscape", "models",
    "place", "records", "trends",
]  # fmt: skip
