"""The study of loss networks: one training per network and layer, on several benchmarks."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.studies.benchmark import Benchmark, Scale
    from lossmith.studies.configuration import Configuration, Weights
    from lossmith.studies.selection import Selection, select, weights_digest
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["Benchmark", "Configuration", "Scale", "Selection", "Weights", "select", "weights_digest"]
