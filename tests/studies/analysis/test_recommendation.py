"""Sentences of a recommendation that hold whatever the scores are like."""

from collections.abc import Mapping

from lossmith.evaluation import Metric, Row
from lossmith.studies import Configuration
from lossmith.studies.analysis import BenchmarkResult, analyze

from .planted import BASELINE, GMSD, PSNR, grid, result

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
    assert sentence.endswith("is 1.00 dB [-1.00, 3.00] better, and the two are not distinguishable.")
    assert "use net:l1" in recommendation(with_intervals({BASELINE: 25, FIRST: 26}, margin=0.1))


def test_a_layer_is_not_called_cheaper_than_one_of_unknown_cost() -> None:
    benchmark = result([BASELINE, FIRST, SECOND], lambda c: 25.0 + (c != BASELINE), noise=0.05)
    best, other = (line.name for line in analyze([benchmark], facts={}).benchmarks[0].scores[:2])
    of_one = BenchmarkResult(**{**vars(benchmark), "milliseconds_per_step": {other: 10.0}})
    assert recommendation(of_one).endswith(f"{other} is not distinguishable from it.")
    assert "ms" not in recommendation(of_one)
    assert best != other


def judged_by(*scores: tuple[Metric, Mapping[Configuration, float]]) -> str:
    """The recommendation for true scores in some metrics, the first of which decides."""
    each = [result([*truth], truth.__getitem__, metric=metric, noise=0.01) for metric, truth in scores]
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for row in (row for one in each for row in one.rows):
        rows.setdefault((row.image, row.method), {}).update(row.scores)
    merged = {
        "rows": tuple(Row(*place, 0, values) for place, values in rows.items()),
        "metrics": tuple(metric for metric, _ in scores),
    }
    return recommendation(BenchmarkResult(**{**vars(each[0]), **merged}))


class TestOtherMetrics:
    pixels = "the mean squared error of pixels"
    psnr = PSNR, {BASELINE: 27.0, FIRST: 26.0, SECOND: 25.0}

    def test_a_layer_that_beats_the_baseline_by_another_is_named(self) -> None:
        sentence = judged_by(self.psnr, (GMSD, {BASELINE: 0.3, FIRST: 0.2, SECOND: 0.1}))
        assert f"no layer beat {self.pixels}" in sentence
        assert sentence.endswith(f" Known to beat {self.pixels} by other metrics: net:l2 by GMSD.")

    def test_so_it_is_said_if_none_does(self) -> None:
        other = Metric("ssim", "SSIM", True, 4)
        worse, better = ((GMSD, {BASELINE: 0.1, FIRST: 0.2, SECOND: 0.3}), (other, self.psnr[1] | {FIRST: 30.0}))
        assert judged_by(self.psnr, worse).endswith(f" By GMSD, no layer is known to beat {self.pixels}.")
        assert judged_by(self.psnr, worse, better).endswith(": net:l1 by SSIM. By GMSD, no layer is known to.")

    def test_one_that_agrees_is_not_named(self) -> None:
        psnr = PSNR, {BASELINE: 25.0, FIRST: 27.0, SECOND: 26.0}
        assert "GMSD" not in judged_by(psnr, (GMSD, {BASELINE: 0.3, FIRST: 0.1, SECOND: 0.2}))
        assert judged_by(psnr, (GMSD, {BASELINE: 0.3, FIRST: 0.2, SECOND: 0.1})).endswith(": net:l2 by GMSD.")

    def test_one_that_some_layers_lack_says_so(self) -> None:
        sentence = judged_by(self.psnr, (GMSD, {BASELINE: 0.3, SECOND: 0.1}))
        assert sentence.endswith(": net:l2 by GMSD (among 1 of 2 layers).")


def test_a_layer_that_surely_beats_the_baseline_goes_before_one_that_may() -> None:
    scores = {BASELINE: [25.0] * 8, FIRST: [20.0, 36.0] * 4, SECOND: [26.0, 26.1] * 4}
    rows = [
        Row(str(item), c.name, 0, {"psnr": score}) for c, of in scores.items() for item, score in enumerate(of)
    ]
    sentence = recommendation(BenchmarkResult("sr", "SR", "pixels", (PSNR,), tuple(rows), tuple(scores)))
    assert sentence.startswith("For SR use net:l2 (PSNR 26.05 dB")
    assert sentence.endswith(" net:l1 is not distinguishable from it.")
