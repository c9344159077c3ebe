"""The one-file page on which a tournament is read: `write_report(path, contents)`."""

from lossmith.report.data import Curve, ImageComparison, LossResult, Pixels, ReportData
from lossmith.report.pages.tournament import write_report

__all__ = ["Curve", "ImageComparison", "LossResult", "Pixels", "ReportData", "write_report"]
