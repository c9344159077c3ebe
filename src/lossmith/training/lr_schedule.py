"""The learning rate over a run, as a function of the part of the budget that is spent."""

import math
from collections.abc import Sequence

from lossmith.training.recipe import Recipe

WARMUP_FRACTION = 0.05
"""The part of the budget over which the learning rate rises."""
STEP_MILESTONES: dict[str, Sequence[float]] = {
    "fifths": (0.2, 0.4, 0.6, 0.8),
    "esrgan": (1 / 8, 1 / 4, 1 / 2, 3 / 4),
}
"""After which parts of the budget the learning rate is halved: in ESRGAN's first stage every 200,000 of a million
steps, in its second after 50,000, 100,000, 200,000 and 300,000 of 400,000."""


def learning_rate(recipe: Recipe, progress: float) -> float:
    """The learning rate when `progress` of the budget is spent.

    >>> [round(learning_rate(Recipe(learning_rate=1.0), p), 3) for p in (0.0, 0.05, 0.5, 1.0)]
    [0.01, 0.994, 0.505, 0.01]
    >>> [learning_rate(Recipe(learning_rate=1.0, decay="esrgan"), p) for p in (0.0, 0.125, 0.3, 0.5, 0.9)]
    [1.0, 0.5, 0.25, 0.125, 0.0625]
    """
    if recipe.decay in STEP_MILESTONES:
        return float(recipe.learning_rate * 0.5 ** sum(progress >= part for part in STEP_MILESTONES[recipe.decay]))
    # It rises over the first twentieth: without that, the first large steps can throw a fresh network so far off
    # that a structural loss, which is flat there, never finds back.
    rise = min(1.0, 0.01 + progress / WARMUP_FRACTION)
    fall = 1.0 if recipe.decay == "none" else 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
    return recipe.learning_rate * rise * fall
