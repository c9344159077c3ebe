"""How sure a mean over images and seeds is.

Images are resampled with replacement, and so are seeds: the question is what another set of images and
another training run would give (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007).
"""

import math
from functools import partial

import numpy as np
from scipy import stats

from lossmith.evaluation.statistics.intervals import CONFIDENCE, Array, estimate, students_t


def resampled_means(values: Array, resamples: int, seed: int) -> Array:
    """Means of (methods, seeds, images) over resampled images and seeds: (methods, resamples).

    All methods share the resamples, so differences between rows of the result are paired. With one seed (or
    one image) only images (or seeds) vary.

    >>> resampled_means(np.ones((2, 3, 4)), resamples=5, seed=0).shape
    (2, 5)
    """
    rng = np.random.default_rng(seed)
    methods, seeds, images = values.shape
    image_counts = rng.multinomial(images, np.full(images, 1 / images), size=resamples)
    seed_counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    over_images = values.reshape(-1, images) @ (image_counts.T / images)
    means: Array = (over_images.reshape(methods, seeds, resamples) * (seed_counts.T / seeds)).sum(1)
    return means


def interval(values: Array, means: Array, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval around the mean of (seeds, images), from its resampled means.

    The percentile interval, stretched about the mean by `stretch` so that it keeps its promise with the five
    images of Set5 too. (nan, nan) for one number alone, which says nothing about others.

    >>> values = np.array([[0.1, 0.2, 0.3, 0.2, 0.2]])
    >>> low, high = interval(values, resampled_means(values[None], 1000, seed=0)[0])
    >>> low < 0.12 and high > 0.28
    True
    """
    if values.size == 1:
        return math.nan, math.nan
    mean = values.mean()
    tail = (1 - confidence) / 2
    ends = mean + stretch(values, confidence) * (np.quantile(means, [tail, 1 - tail]) - mean)
    return float(ends[0]), float(ends[1])


def stretch(values: Array, confidence: float = CONFIDENCE) -> float:
    """How much wider than the percentile interval of (seeds, images) an honest one is; 1 for many of both.

    The bootstrap takes variances over n, not n - 1, and its quantiles are of a normal, not of Student's t: with
    5 images its 95 % intervals hold the truth 83 % of the time (Hesterberg, The American Statistician 69(4),
    2015, section 4). With seeds it also counts thrice what is neither due to the image nor to the seed. So:
    the ratio of the half-width of `intervals.estimate` to that of a normal with the bootstrap's variance.

    >>> round(stretch(np.random.default_rng(0).normal(size=(1, 5))), 4)  # sqrt(5 / 4) x 2.776 / 1.960
    1.5838
    """
    seeds, images = values.shape
    image_means, seed_means = values.mean(0), values.mean(1)
    rest = values - image_means - seed_means[:, None] + values.mean()
    bootstrap = image_means.var() / images + seed_means.var() / seeds + rest.var() / values.size
    honest = estimate(values)
    if not honest.error > 0:  # no variation but rounding
        return 1.0
    half_width = honest.half_width(partial(students_t, confidence=confidence))
    return float(half_width / (stats.norm.ppf((1 + confidence) / 2) * math.sqrt(bootstrap)))
