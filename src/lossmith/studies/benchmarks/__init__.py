"""The benchmarks of a study, a module each."""

from importlib import import_module

from lossmith.expressions import Call, instantiate, resolve
from lossmith.studies.benchmark import Benchmark

BENCHMARKS = {
    "similarity": "similarity:Similarity",
    "sr": "super_resolution:SuperResolution",
    "delineation": "delineation:Delineation",
    "reduction": "reduction:Reduction",
}
"""Where the class of each is, within this package; it is imported when it is asked for."""


def benchmark(name: str) -> Benchmark:
    """The benchmark of a name, or one of the user's, `my_package.my_module:MyBenchmark`, made without arguments.

    Raises LossmithError for an unknown name, with the nearest one, and for what cannot be imported or made.
    """
    if name in BENCHMARKS:
        module, _, attribute = BENCHMARKS[name].partition(":")
        factory = getattr(import_module(f"{__name__}.{module}"), attribute)
    else:
        factory = resolve(Call(name), dict.fromkeys(BENCHMARKS, Benchmark), "benchmark")
    made: Benchmark = instantiate(Call(name), factory, "benchmark")
    return made


__all__ = ["BENCHMARKS", "benchmark"]
