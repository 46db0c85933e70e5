"""One self-contained HTML page of a study: `report(folder) -> Path`."""

from scaling.report.page import report

__all__ = ["report"]
