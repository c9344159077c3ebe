"""The report of a tournament as a self-contained HTML file: `write_report(path, contents)`."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.report.data import Curve, ImageComparison, LossResult, Pixels, ReportData
    from lossmith.report.pages.learned_loss import LearnedContents, LearnedScale, write_learned
    from lossmith.report.pages.tournament import write_report
    from lossmith.report.templates import is_lossmith_page
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "Curve",
    "ImageComparison",
    "LearnedContents",
    "LearnedScale",
    "LossResult",
    "Pixels",
    "ReportData",
    "is_lossmith_page",
    "write_learned",
    "write_report",
]
