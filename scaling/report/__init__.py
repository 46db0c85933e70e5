"""One self-contained HTML page of a study, a run table or a fit: `report(source) -> Path`."""

from scaling.report.answer import Asked
from scaling.report.write import report, reports

__all__ = ["Asked", "report", "reports"]
