"""Benchmarks by name, and with options."""

import pytest

from lossmith.core.errors import LossmithError
from lossmith.studies.benchmarks import BENCHMARKS, benchmark
from lossmith.studies.benchmarks.delineation import Delineation
from lossmith.studies.benchmarks.super_resolution import SuperResolution


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_goes_by_its_name_and_measures_something(name: str) -> None:
    assert benchmark(name).name == name
    assert benchmark(name).metrics


def test_a_benchmark_takes_options() -> None:
    assert benchmark("sr(factor=8, normalize=weights)") == SuperResolution(factor=8, normalize="weights")
    assert benchmark("delineation(tolerance=2)") == Delineation(tolerance=2)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("srr", "benchmark 'srr' is not known; did you mean 'sr'"),
        ("sr(scale=8)", "option of benchmark sr: 'scale' is not known; known are factor, normalize"),
        ("sr(factor=3)", "`factor` must be 2, 4 or 8, not 3"),
        ("sr(factor=8", "benchmark expression"),
    ],
)
def test_mistakes_are_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(LossmithError) as error:
        benchmark(expression)
    assert sentence in str(error.value)
