"""From the scores of a study to findings: tables, ranks, correlations and recommendations."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.studies.analysis.results import BenchmarkResult, Estimate, Facts, StudyAnalysis, to_json
    from lossmith.studies.analysis.study import analyze
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["BenchmarkResult", "Estimate", "Facts", "StudyAnalysis", "analyze", "to_json"]
