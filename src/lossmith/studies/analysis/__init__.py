"""From the scores of a study to findings: tables, ranks, correlations and recommendations."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.studies.analysis.results import BenchmarkResult, Estimate, Facts, StudyAnalysis, to_json
    from lossmith.studies.analysis.study import analyse
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["BenchmarkResult", "Estimate", "Facts", "StudyAnalysis", "analyse", "to_json"]
