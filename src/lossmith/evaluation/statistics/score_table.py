"""Scores as an array of methods, seeds and images, in which whole seeds of a method may be missing."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lossmith.core.errors import LossmithError
from lossmith.degradations.base import LEVELS
from lossmith.evaluation.results import DEGRADED, Row
from lossmith.evaluation.statistics.intervals import SeedRatio, rest_variance
from lossmith.metrics.registry import Metric


class NothingToCompareError(LossmithError):
    """No method has a number for every image and seed."""


@dataclass(frozen=True)
class ScoreTable:
    """The scores of the methods that can be compared, in one metric.

    Every method has every image under each of its seeds, but need not have every seed: in a race some stop early.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    images: tuple[str, ...]
    values: NDArray[np.float64]
    """(methods, seeds, images); NaN under the seeds that a method does not have."""

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """(methods, seeds): which method has which seed."""
        return ~np.isnan(self.values[:, :, 0])

    def of_whole_methods(self) -> "ScoreTable":
        """Only the methods that have every seed; raises LossmithError when there are none."""
        whole = np.asarray(self.present.all(1))
        if not whole.any():
            raise NothingToCompareError("nothing to compare: no method has every seed")
        methods = tuple(name for name, is_whole in zip(self.methods, whole, strict=True) if is_whole)
        return replace(self, methods=methods, values=self.values[whole])

    def of(self, method: str) -> NDArray[np.float64]:
        """The scores of a method under its own seeds: (seeds, images)."""
        index = self.methods.index(method)
        scores: NDArray[np.float64] = self.values[index][self.present[index]]
        return scores

    def difference(self, first: str, second: str) -> NDArray[np.float64]:
        """First minus second under the seeds that both have: (seeds, images)."""
        one, other = self.methods.index(first), self.methods.index(second)
        common = self.present[one] & self.present[other]
        differences: NDArray[np.float64] = (self.values[one] - self.values[other])[common]
        return differences

    @cached_property
    def seed_ratio(self) -> SeedRatio | None:
        """How much the difference of two methods varies with the seed: the median over all pairs; None for one
        seed.

        A pair has few seeds, so some pairs agree in all of theirs by chance. Half the degrees of freedom of the
        pairs are counted, since methods are in several.
        """
        ratios, freedom = [], []
        contenders = [method for method in self.methods if method != DEGRADED]
        for first, second in itertools.combinations(contenders, 2):
            differences = self.difference(first, second)
            if len(differences) > 1 and (rest := rest_variance(differences)) > 0:
                ratios.append(float(differences.mean(1).var(ddof=1)) / rest)
                freedom.append(len(differences) - 1)
        if not ratios:
            return None
        return SeedRatio(float(np.median(ratios)), max(1.0, (len(contenders) - 1) * float(np.median(freedom)) / 2))

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """The mean of each method, as if all had every seed: (methods,).

        A method that lacks seeds gets the mean of its own, shifted by how much these differ from all seeds under
        the methods that have them all.
        """
        own = np.array([self.of(method).mean() for method in self.methods])
        references = self.present.all(1) & np.array([method != DEGRADED for method in self.methods])
        if not references.any():
            return own
        by_seed = self.values[references].mean((0, 2))
        shifts = np.array([by_seed.mean() - by_seed[present].mean() for present in self.present])
        return np.where(self.present.all(1), own, own + shifts)


def score_table(rows: Sequence[Row], metric: Metric, methods: Sequence[str] | None = None) -> ScoreTable:
    """Arrange rows for comparison; `methods` defaults to all that occur, in order of appearance.

    An image on which no method has a finite number (it is too small for the metric) is left out for all. A
    method that lacks a number for any remaining image under one of its seeds (its run failed) is left out,
    because a mean over other images cannot be compared. The degraded input has no seeds: its scores are repeated
    for each.

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
    seeds_run = {(method, seed) for method, seed, _ in scores}
    ran = np.array([[m == DEGRADED or (m, s) in seeds_run for s in seeds] for m in names])
    complete = ran.any(1) & (np.isfinite(values).all(2) | ~ran).all(1) & (len(images) > 0)
    if not complete.any():
        raise NothingToCompareError(
            f"nothing to compare in {metric.label}: no method has it for every image and seed"
        )
    methods = tuple(name for name, is_complete in zip(names, complete, strict=True) if is_complete)
    contenders = np.array([name != DEGRADED for name in names])
    used: NDArray[np.bool_] = ran[complete & contenders].any(0)
    if not used.any():  # the degraded input alone
        used = np.arange(len(seeds)) == 0
    return ScoreTable(methods, tuple(np.array(seeds)[used].tolist()), tuple(images), values[complete][:, used])


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
