"""What a loss file says of itself."""

from dataclasses import asdict
from typing import Any

from lossmith.core.provenance import provenance
from lossmith.degradations import TASKS
from lossmith.loss_learning.recipe import LossRecipe
from lossmith.loss_learning.sample import DegradedSample
from lossmith.loss_learning.train import LearnedCritics

RANGE = [-1, 1]
"""What the critics take the images' [0, 1] as."""


def make_card(
    sample: DegradedSample, recipe: LossRecipe, seed: int, learned: LearnedCritics, seconds: float
) -> dict[str, Any]:
    """The card of a learned loss: what it is for, how the critics are used and where they come from."""
    height, width = sample.clean.shape[1:]
    return {
        "task": task_of(sample),
        "degradation": sample.name,
        "image": {**sample.fingerprint, "width": width, "height": height},
        "scales": [
            {"width": critic.width, "factor": factor}
            for critic, factor in zip(learned.critics, learned.factors, strict=True)
        ],
        "range": RANGE,
        "recipe": asdict(recipe),
        "seed": seed,
        "seconds": round(seconds, 1),
        **provenance(),
    }


def task_of(sample: DegradedSample) -> str:
    """The name that papers have for the damage, or "own".

    >>> import torch
    >>> from lossmith.degradations import degradation
    >>> task_of(DegradedSample(torch.rand(3, 8, 8), degradation("bicubic(4)")))
    'sr'
    """
    return next((task for task, expression in TASKS.items() if expression == sample.name), "own")
