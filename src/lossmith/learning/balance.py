"""How much each layer of each critic counts in the loss, set without a number more in the file.

A leaky ReLU passes a positive factor on, so the outputs of a layer can be scaled in its normalisation, and the
next convolution takes the factor back.

Deep layers, and critics of small pictures, answer to low frequencies alone. Were they scaled until the damage,
which may have little of these, is worth as much to them as to the others, the loss would ask for low
frequencies forty times as much as for the rest, and restorers would hardly begin to mend the rest. So all are
scaled by how much they vary on the clean picture, and the layers that answer to all frequencies count most.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossmith.losses.discriminative_network import Critic, Stage

SHARES = (0.9, 0.09, 0.01)
"""Of a critic's head, body and scores. The heads answer to all frequencies alike."""


@torch.no_grad()
def balance(
    critics: Sequence[Critic],
    factors: Sequence[float],
    clean: Sequence[Tensor],
    damaged: Sequence[Tensor],
    worth: float,
) -> None:
    """Scale the features so that they vary on clean pictures as much as they are to count.

    Those of a critic by how many pixels it will see, and in it the layers by `SHARES`; then all together, so that
    the loss between the damaged pictures and the clean ones is `worth`, unless no critic tells them apart.
    `factors` are the sides of what the critics will see, in those of the whole picture; `clean` and `damaged` are
    (N, 3, H, W) in the critics' range, one of each for every critic. A layer that is the same everywhere keeps its
    size, but for what all are multiplied by.
    """
    for critic, factor, picture in zip(critics, factors, clean, strict=True):
        layers = zip(SHARES, critic.features(picture), strict=True)
        rescale(critic, *(_to_vary(tap, factor**2 * share) for share, tap in layers))
    found = sum(
        float((seen - known).square().mean())
        for critic, picture, target in zip(critics, damaged, clean, strict=True)
        for seen, known in zip(critic.features(picture), critic.features(target), strict=True)
    )
    if found > 0:
        for critic in critics:
            rescale(critic, *[(worth / found) ** 0.5] * len(SHARES))


def worth_as_l1(clean: Tensor, damaged: Tensor) -> float:
    """The mean absolute difference of pictures in [-1, 1], as losses see it, which take them as [0, 1]."""
    return float((damaged - clean).abs().mean()) / 2


def _to_vary(features: Tensor, much: float) -> float:
    """What to multiply features by, so that their variance over positions is so much, on average over channels."""
    variance = float(features.var((0, 2, 3), correction=0).mean())
    even = variance <= 1e-9 * float(features.square().mean())  # but for rounding
    return 1.0 if even else (much / variance) ** 0.5


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
