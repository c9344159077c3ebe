"""The benchmarks of a study, a module each."""

from importlib import import_module

from lossmith.core.errors import LossmithError
from lossmith.core.files import safe_file_name
from lossmith.expressions import instantiate, parse_call, resolve
from lossmith.studies.benchmark import Benchmark

BENCHMARKS = {
    "similarity": "similarity:Similarity",
    "sr": "super_resolution:SuperResolution",
    "delineation": "delineation:Delineation",
    "reduction": "reduction:Reduction",
}
"""Where the class of each is, within this package; it is imported when it is asked for."""
MEMBERS = tuple(member for member in vars(Benchmark) if not member.startswith("_"))


def benchmark(name: str) -> Benchmark:
    """The benchmark of an expression: `sr`, `sr(factor=8)`, or of the user's, `my_package.my_module:MyBenchmark`.

    Raises LossmithError for an unknown name, with the nearest one, for options that it does not take, for what
    cannot be imported or made, and for what is no benchmark.
    """
    call = parse_call(name, "benchmark")
    if call.name in BENCHMARKS:
        module, _, attribute = BENCHMARKS[call.name].partition(":")
        factory = getattr(import_module(f"{__name__}.{module}"), attribute)
    else:
        factory = resolve(call, dict.fromkeys(BENCHMARKS, Benchmark), "benchmark")
    made: Benchmark = instantiate(call, factory, "benchmark")
    if missing := [member for member in MEMBERS if not hasattr(made, member)]:
        raise LossmithError(f"benchmark '{name}' lacks {', '.join(missing)}, which lossmith.studies.Benchmark has")
    if made.name != safe_file_name(str(made.name)):
        raise LossmithError(
            f"benchmark '{name}' is called {made.name!r}, which is no name for a folder; take letters and digits"
        )
    return made


__all__ = ["BENCHMARKS", "benchmark"]
