"""The card of a learned loss: the metadata of its file."""

from dataclasses import asdict
from typing import Any

from lossmith.core.provenance import provenance
from lossmith.degradations import TASKS
from lossmith.loss_learning.recipe import LossRecipe
from lossmith.loss_learning.sample import DegradedSample
from lossmith.loss_learning.train import LearnedDiscriminators

RANGE = [-1, 1]
"""The range of the discriminators' inputs, to which that of the images is mapped."""


def make_card(
    sample: DegradedSample, recipe: LossRecipe, seed: int, learned: LearnedDiscriminators, seconds: float
) -> dict[str, Any]:
    """The card of a learned loss: its task, how its discriminators are used and how they were trained."""
    height, width = sample.clean.shape[1:]
    return {
        "task": task_of(sample),
        "degradation": sample.name,
        "image": {**sample.fingerprint, "width": width, "height": height},
        "scales": [
            {"width": discriminator.width, "factor": factor}
            for discriminator, factor in zip(learned.discriminators, learned.factors, strict=True)
        ],
        "range": RANGE,
        **sample.pixels.receipt_entries,
        "recipe": asdict(recipe),
        "seed": seed,
        "seconds": round(seconds, 1),
        **provenance(),
    }


def task_of(sample: DegradedSample) -> str:
    """The name of the restoration task, or "own" if the degradation is not that of a usual one.

    >>> import torch
    >>> from lossmith.degradations import degradation
    >>> task_of(DegradedSample(torch.rand(3, 8, 8), degradation("bicubic(4)")))
    'sr'
    """
    return next((task for task, expression in TASKS.items() if expression == sample.name), "own")
