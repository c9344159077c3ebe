"""The one-file page on which a tournament is read: `write_report(path, contents)`."""

from lossmith.report.contents import Contender, Contents, Curve, Exhibit, Pixels
from lossmith.report.page import write_report

__all__ = ["Contender", "Contents", "Curve", "Exhibit", "Pixels", "write_report"]
