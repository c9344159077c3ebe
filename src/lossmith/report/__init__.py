"""The report of a tournament as a self-contained HTML file: `write_report(path, contents)`."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.report.data import Curve, ImageComparison, LossResult, Pixels, ReportData
    from lossmith.report.pages.tournament import write_report
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["Curve", "ImageComparison", "LossResult", "Pixels", "ReportData", "write_report"]
