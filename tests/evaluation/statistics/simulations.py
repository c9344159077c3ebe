"""Scores with a known truth."""

import numpy as np


def crossed(rng, count, shape, mean=0.0, image=0.0, seed=0.0, rest=0.0, draw=None):
    """Many tables (count, seeds, images) of a mean and three components with these standard deviations.

    `draw` gives numbers of mean 0 and variance 1, and is normal by default.
    """
    draw = draw or rng.standard_normal
    seeds, images = shape
    return (
        mean
        + image * draw((count, 1, images))
        + seed * draw((count, seeds, 1))
        + rest * draw((count, seeds, images))
    )


def skewed(rng):
    """Draws from a gamma distribution of skewness 1.4, with mean 0 and variance 1."""
    return lambda shape: (rng.gamma(2.0, size=shape) - 2) / np.sqrt(2)
