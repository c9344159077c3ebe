"""How much each layer of each critic counts in the loss, set without a number more in the file.

A leaky ReLU passes a positive factor on, so the outputs of a layer can be scaled in its normalization, and the
next convolution takes the factor back.

Deep layers, and critics of small images, answer to low frequencies alone. Were they scaled until the damage,
which may have little of these, is worth as much to them as to the others, the loss would ask for low
frequencies forty times as much as for the rest, and restorers would hardly begin to mend the rest. So all are
scaled by how much they vary on the clean image, and the layers that answer to all frequencies count most.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossmith.losses.mdf.discriminator import ConvBlock, PatchDiscriminator

LAYER_WEIGHTS = (0.9, 0.09, 0.01)
"""Of a critic's head, body and scores. The heads answer to all frequencies alike."""


@torch.no_grad()
def calibrate_layers(
    critics: Sequence[PatchDiscriminator],
    factors: Sequence[float],
    clean: Sequence[Tensor],
    degraded: Sequence[Tensor],
    target_value: float,
) -> None:
    """Scale the features so that they vary on clean images as much as they are to count.

    Those of a critic by how many pixels it will see, and in it the layers by `LAYER_WEIGHTS`; then all together,
    so that the loss between the damaged images and the clean ones is `target_value`, unless no critic tells them
    apart. `factors` are the sides of what the critics will see, in those of the whole image; `clean` and
    `degraded` are (N, 3, H, W) in the critics' range, one of each for every critic. A layer that is the same
    everywhere keeps its size, but for what all are multiplied by.
    """
    for critic, factor, image in zip(critics, factors, clean, strict=True):
        layers = zip(LAYER_WEIGHTS, critic.features(image), strict=True)
        rescale(critic, *(_scale_to_variance(tap, factor**2 * share) for share, tap in layers))
    found = sum(
        float((seen - known).square().mean())
        for critic, image, target in zip(critics, degraded, clean, strict=True)
        for seen, known in zip(critic.features(image), critic.features(target), strict=True)
    )
    if found > 0:
        for critic in critics:
            rescale(critic, *[(target_value / found) ** 0.5] * len(LAYER_WEIGHTS))


def l1_value(clean: Tensor, degraded: Tensor) -> float:
    """The mean absolute difference of images in [-1, 1], as losses see it, which take them as [0, 1]."""
    return float((degraded - clean).abs().mean()) / 2


def _scale_to_variance(features: Tensor, wanted: float) -> float:
    """What to multiply features by, so that their variance over positions is so much, on average over channels."""
    variance = float(features.var((0, 2, 3), correction=0).mean())
    even = variance <= 1e-9 * float(features.square().mean())  # but for rounding
    return 1.0 if even else (wanted / variance) ** 0.5


@torch.no_grad()
def rescale(critic: PatchDiscriminator, head: float, body: float, scores: float) -> None:
    """Multiply the outputs of the head, of the body and the scores by positive numbers."""
    stages: list[ConvBlock] = [critic.head, *critic.body]
    for stage, factor in ((stages[0], head), (stages[-1], body)):
        stage.norm.weight.mul_(factor)
        stage.norm.bias.mul_(factor)
    stages[1].conv.weight.div_(head)
    critic.tail.weight.mul_(scores / body)
    critic.tail.bias.mul_(scores)  # type: ignore[union-attr]  # a convolution may have none; this one has
