"""Scores as an array of methods, seeds and images without missing values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossmith.core.errors import LossmithError
from lossmith.degradations.base import LEVELS
from lossmith.evaluation.results import DEGRADED, Row
from lossmith.metrics.registry import Metric


class NothingToCompareError(LossmithError):
    """No method has a number for every image and seed."""


@dataclass(frozen=True)
class ScoreTable:
    """The scores of the methods that can be compared, in one metric; no value is missing."""

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    images: tuple[str, ...]
    values: NDArray[np.float64]
    """(methods, seeds, images)."""


def score_table(rows: Sequence[Row], metric: Metric, methods: Sequence[str] | None = None) -> ScoreTable:
    """Arrange rows for comparison; `methods` defaults to all that occur, in order of appearance.

    An image on which no method has a finite number (it is too small for the metric) is left out for all. A
    method that lacks a number for any remaining image under any seed (its run failed) is left out, because a
    mean over other images cannot be compared. The degraded input has no seeds: its scores are repeated for each.

    An image that is tested at several levels of the degradation counts once, with the mean of its scores:
    its levels are not independent images.

    Raises LossmithError when there are no rows, when a row occurs twice, and when no method is complete.

    >>> rows = [Row("a", "l1", 0, {"psnr": 30.0}), Row("a", "l2", 0), Row("a", "degraded", 0, {"psnr": 20.0})]
    >>> score_table(rows, Metric("psnr", "PSNR", True, 2)).methods
    ('l1', 'degraded')
    """
    names = tuple(dict.fromkeys(methods if methods is not None else (row.method for row in rows)))
    scores = _by_place([row for row in rows if row.method in names], metric.name)
    if not scores:
        raise NothingToCompareError(f"nothing to compare in {metric.label}: there are no rows")
    seeds = sorted({seed for method, seed, _ in scores if method != DEGRADED}) or [0]
    images = sorted({image for (_, _, image), score in scores.items() if np.isfinite(score)})
    values = np.array(
        [[[scores.get((m, 0 if m == DEGRADED else s, p), np.nan) for p in images] for s in seeds] for m in names]
    ).reshape(len(names), len(seeds), len(images))
    complete = np.isfinite(values).all((1, 2)) & (len(images) > 0)
    if not complete.any():
        raise NothingToCompareError(
            f"nothing to compare in {metric.label}: no method has it for every image and seed"
        )
    complete_methods = tuple(name for name, is_complete in zip(names, complete, strict=True) if is_complete)
    return ScoreTable(complete_methods, tuple(seeds), tuple(images), values[complete])


def _by_place(rows: Sequence[Row], metric: str) -> dict[tuple[str, int, str], float]:
    scores: dict[tuple[str, int, str], float] = {}
    for row in rows:
        place = (row.method, row.seed, row.image)
        if place in scores:
            raise LossmithError(f"image '{row.image}' occurs twice for method '{row.method}', seed {row.seed}")
        scores[place] = row.scores.get(metric, np.nan)
    levels: dict[tuple[str, int, str], list[float]] = {}
    for (method, seed, image), score in scores.items():
        levels.setdefault((method, seed, without_level(image)), []).append(score)
    return {place: float(np.mean(level_scores)) for place, level_scores in levels.items()}


def without_level(image: str) -> str:
    """The image's name, without the level of its degradation.

    >>> without_level("baby@low"), without_level("me@home")
    ('baby', 'me@home')
    """
    name, _, level = image.rpartition("@")
    return name if level in LEVELS else image
