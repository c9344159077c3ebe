"""Weights of the layers of each discriminator in the loss, folded into the discriminators' own weights.

A leaky ReLU commutes with a positive factor, so the outputs of a layer can be scaled in its normalization, and the
next convolution divided by the same factor.

Deep layers, and discriminators of small images, respond to low frequencies only. If they were scaled by their
response to the degradation, which may have little of these, the loss would weigh low frequencies forty times as
much as the rest, and restorers would hardly learn the rest. So features are scaled by their variance on the clean
image, and the layers that respond to all frequencies get the largest weights.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossmith.losses.mdf.discriminator import ConvBlock, PatchDiscriminator

LAYER_WEIGHTS = (0.9, 0.09, 0.01)
"""Of a discriminator's head, body and scores. The heads respond to all frequencies equally."""


@torch.no_grad()
def calibrate_layers(
    discriminators: Sequence[PatchDiscriminator],
    factors: Sequence[float],
    clean: Sequence[Tensor],
    degraded: Sequence[Tensor],
    target_value: float,
) -> None:
    """Scale the features of all discriminators, in place, to the weights that their layers should have.

    On the clean image, the variance of a layer becomes its weight in `LAYER_WEIGHTS` times the share of pixels
    that its discriminator gets. Then all are multiplied by one factor, so that the loss of the degraded image is
    `target_value`. A layer that is constant over the image is not scaled by its variance.

    Parameters
    ----------
    discriminators
        Coarsest first.
    factors
        The side of each discriminator's input relative to the whole image.
    clean, degraded
        (N, C, H, W) with their range from -1 to 1, one of each for every discriminator.
    target_value
        Of the loss; not reached if the features of degraded and clean images are equal.
    """
    for discriminator, factor, image in zip(discriminators, factors, clean, strict=True):
        layers = zip(LAYER_WEIGHTS, discriminator.features(image), strict=True)
        rescale(discriminator, *(_scale_to_variance(features, factor**2 * weight) for weight, features in layers))
    value = sum(
        float((prediction - target).square().mean())
        for discriminator, image, reference in zip(discriminators, degraded, clean, strict=True)
        for prediction, target in zip(
            discriminator.features(image), discriminator.features(reference), strict=True
        )
    )
    if value > 0:
        for discriminator in discriminators:
            rescale(discriminator, *[(target_value / value) ** 0.5] * len(LAYER_WEIGHTS))


def l1_value(clean: Tensor, degraded: Tensor) -> float:
    """The L1 loss, as losses measure it, of images whose range is from -1 to 1 and not from 0 to 1."""
    return float((degraded - clean).abs().mean()) / 2


def _scale_to_variance(features: Tensor, variance: float) -> float:
    """The factor by which the variance of features over positions, averaged over channels, becomes `variance`."""
    actual = float(features.var((0, 2, 3), correction=0).mean())
    constant = actual <= 1e-9 * float(features.square().mean())  # only rounding errors
    return 1.0 if constant else (variance / actual) ** 0.5


@torch.no_grad()
def rescale(discriminator: PatchDiscriminator, head: float, body: float, scores: float) -> None:
    """Multiply the outputs of the head, of the body and the scores by positive numbers."""
    stages: list[ConvBlock] = [discriminator.head, *discriminator.body]
    for stage, factor in ((stages[0], head), (stages[-1], body)):
        stage.norm.weight.mul_(factor)
        stage.norm.bias.mul_(factor)
    stages[1].conv.weight.div_(head)
    discriminator.tail.weight.mul_(scores / body)
    discriminator.tail.bias.mul_(scores)  # type: ignore[union-attr]  # a convolution may have none; this one has
