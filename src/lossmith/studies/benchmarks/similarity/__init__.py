"""How far the distances that a layer measures agree with people's judgements."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.studies.benchmarks.similarity.benchmark import Similarity
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["Similarity"]
