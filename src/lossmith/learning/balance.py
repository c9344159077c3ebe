"""Making every critic count the same, and its features more than its scores, without a number more in the file.

A leaky ReLU passes a positive factor on, so the outputs of a layer can be scaled in its normalisation, and the
next convolution takes the factor back.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossmith.losses.discriminative_network import Critic, Stage

SHARES = (0.495, 0.495, 0.01)
"""Of a critic's head, body and scores. Restorers came out worse where the scores, one channel, had a third."""


def balance(critics: Sequence[Critic], clean: Sequence[Tensor], damaged: Sequence[Tensor], worth: float) -> None:
    """Scale the features so that the loss between these pictures is `worth`, in equal parts for all critics.

    `clean` and `damaged` are (N, 3, H, W) in the critics' range, one of each for every critic. A layer that does
    not tell them apart is left as it is.
    """
    for critic, target, picture in zip(critics, clean, damaged, strict=True):
        with torch.no_grad():
            pairs = zip(critic.features(picture), critic.features(target), strict=True)
            sizes = [float((found - known).square().mean()) for found, known in pairs]
        wanted = (worth * share / len(critics) for share in SHARES)
        factors = ((goal / size) ** 0.5 if size > 0 else 1.0 for goal, size in zip(wanted, sizes, strict=True))
        rescale(critic, *factors)


@torch.no_grad()
def rescale(critic: Critic, head: float, body: float, scores: float) -> None:
    """Multiply the outputs of the head, of the body and the scores by positive numbers."""
    stages: list[Stage] = [critic.head, *critic.body]
    for stage, factor in ((stages[0], head), (stages[-1], body)):
        stage.norm.weight.mul_(factor)
        stage.norm.bias.mul_(factor)
    stages[1].conv.weight.div_(head)
    critic.tail.weight.mul_(scores / body)
    critic.tail.bias.mul_(scores)  # type: ignore[union-attr]  # a convolution may have none; this one has
