"""The pages of tournaments, studies, searches and learned losses, each a self-contained HTML file."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.report.comparison import comparison_of
    from lossmith.report.crops import find_crops, most_different
    from lossmith.report.data import (
        Curve,
        ImageComparison,
        LossResult,
        Pixels,
        PullMaps,
        RateTrial,
        ReportData,
    )
    from lossmith.report.display import Display, display_window, parse_bands, shades, to_display
    from lossmith.report.pages.certificate import CertificateContents, write_certificate
    from lossmith.report.pages.learned_loss import LearnedContents, LearnedScale, write_learned
    from lossmith.report.pages.study import StudyContents, write_study
    from lossmith.report.pages.tournament import write_report
    from lossmith.report.pages.tuning import write_tuning
    from lossmith.report.templates import is_lossmith_page
    from lossmith.report.tuning_data import (
        FrontMember,
        ScoreMean,
        SearchRange,
        TuningContents,
        TuningTrial,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "CertificateContents",
    "Curve",
    "Display",
    "FrontMember",
    "ImageComparison",
    "LearnedContents",
    "LearnedScale",
    "LossResult",
    "Pixels",
    "PullMaps",
    "RateTrial",
    "ReportData",
    "ScoreMean",
    "SearchRange",
    "StudyContents",
    "TuningContents",
    "TuningTrial",
    "comparison_of",
    "display_window",
    "find_crops",
    "is_lossmith_page",
    "most_different",
    "parse_bands",
    "shades",
    "to_display",
    "write_certificate",
    "write_learned",
    "write_report",
    "write_study",
    "write_tuning",
]
