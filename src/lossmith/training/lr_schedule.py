"""The learning rate as a function of the spent fraction of the budget."""

import math
from collections.abc import Sequence

from lossmith.training.recipe import Recipe

WARMUP_FRACTION = 0.05
"""The fraction of the budget over which the learning rate rises linearly."""
STEP_MILESTONES: dict[str, Sequence[float]] = {
    "fifths": (0.2, 0.4, 0.6, 0.8),
    "esrgan": (1 / 8, 1 / 4, 1 / 2, 3 / 4),
}
"""Fractions of the budget after which the learning rate is halved: in ESRGAN's first stage after every 200,000 of
a million steps, in its second after 50,000, 100,000, 200,000 and 300,000 of 400,000."""


def learning_rate(recipe: Recipe, progress: float) -> float:
    """The learning rate when the fraction `progress` of the budget, 0 to 1, is spent.

    >>> [round(learning_rate(Recipe(learning_rate=1.0), p), 3) for p in (0.0, 0.05, 0.5, 1.0)]
    [0.01, 0.994, 0.505, 0.01]
    >>> [learning_rate(Recipe(learning_rate=1.0, decay="esrgan"), p) for p in (0.0, 0.125, 0.3, 0.5, 0.9)]
    [1.0, 0.5, 0.25, 0.125, 0.0625]
    """
    if recipe.decay in STEP_MILESTONES:
        return float(
            recipe.learning_rate * 0.5 ** sum(progress >= milestone for milestone in STEP_MILESTONES[recipe.decay])
        )
    # Without a warm-up the first large steps can move a fresh network to where a structural loss is flat, and
    # training does not recover.
    rise = min(1.0, 0.01 + progress / WARMUP_FRACTION)
    fall = 1.0 if recipe.decay == "none" else 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
    return recipe.learning_rate * rise * fall
