"""What a loss file says of itself."""

from dataclasses import asdict
from typing import Any

from lossmith.degradations import TASKS
from lossmith.learning.damage import Lesson
from lossmith.learning.learn import Learned
from lossmith.learning.recipe import LossRecipe
from lossmith.origin import origin

RANGE = [-1, 1]
"""What the critics take the pictures' [0, 1] as."""


def card_of(lesson: Lesson, recipe: LossRecipe, seed: int, learned: Learned, seconds: float) -> dict[str, Any]:
    """The card of a learned loss: what it is for, how the critics are used and where they come from."""
    height, width = lesson.clean.shape[1:]
    return {
        "task": task_of(lesson),
        "degradation": lesson.name,
        "picture": {**lesson.fingerprint, "width": width, "height": height},
        "scales": [
            {"width": critic.width, "factor": factor}
            for critic, factor in zip(learned.critics, learned.factors, strict=True)
        ],
        "range": RANGE,
        "recipe": asdict(recipe),
        "seed": seed,
        "seconds": round(seconds, 1),
        **origin(),
    }


def task_of(lesson: Lesson) -> str:
    """The name that papers have for the damage, or "own".

    >>> import torch
    >>> from lossmith.degradations import degradation
    >>> task_of(Lesson(torch.rand(3, 8, 8), degradation("bicubic(4)")))
    'sr'
    """
    return next((task for task, expression in TASKS.items() if expression == lesson.name), "own")
