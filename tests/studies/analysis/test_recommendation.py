"""Sentences of a recommendation that hold whatever the scores are like."""

from lossmith.evaluation import Row
from lossmith.studies import Configuration
from lossmith.studies.analysis import BenchmarkResult, analyze

from .planted import BASELINE, PSNR, grid, result

FIRST, SECOND = grid(["net"], 2)


def recommendation(*results: BenchmarkResult) -> str:
    return analyze(results, facts={}).benchmarks[0].recommendation


def with_intervals(scores: dict[Configuration, float], margin: float) -> BenchmarkResult:
    """One row of each, whose intervals came with the scores."""
    rows = [
        Row("all", c.name, 0, {"psnr": score, "psnr_low": score - margin, "psnr_high": score + margin})
        for c, score in scores.items()
    ]
    return BenchmarkResult("iqa", "Similarity", "pixels", (PSNR,), tuple(rows), tuple(scores))


def test_intervals_that_overlap_tell_more_than_one_score_of_each() -> None:
    sentence = recommendation(with_intervals({BASELINE: 25, FIRST: 26}, margin=1))
    assert sentence.endswith("is 1.00 dB better, and the two are not distinguishable.")
    assert "use net:l1" in recommendation(with_intervals({BASELINE: 25, FIRST: 26}, margin=0.1))


def test_a_layer_is_not_called_cheaper_than_one_of_unknown_cost() -> None:
    benchmark = result([BASELINE, FIRST, SECOND], lambda c: 25.0 + (c != BASELINE), noise=0.05)
    best, other = (line.name for line in analyze([benchmark], facts={}).benchmarks[0].scores[:2])
    of_one = BenchmarkResult(**{**vars(benchmark), "milliseconds_per_step": {other: 10.0}})
    assert recommendation(of_one).endswith(f"{other} is not distinguishable from it.")
    assert "ms" not in recommendation(of_one)
    assert best != other
