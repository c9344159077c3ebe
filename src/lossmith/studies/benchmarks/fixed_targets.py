"""The loss of a configuration against the images of a fixed set, whose features are computed once if they fit."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lossmith.losses.base import check_pair
from lossmith.studies.configuration import Configuration

FEATURE_BYTES = 2**29
"""Of memory at most, for the features of a set; a constant, so that a training is the same on every machine."""
CHUNK = 64
"""Images whose features are computed at a time."""

Criterion = Callable[[Tensor, Tensor], Tensor]
"""The loss, a scalar, of predictions (B, 3, H, W) for the images of these indices, (B,) on the device."""


def fixed_target_loss(
    configuration: Configuration,
    normalize: str | None,
    images: Callable[[Tensor], Tensor],
    count: int,
    device: torch.device,
    feature_bytes: int = FEATURE_BYTES,
) -> Criterion:
    """The mean squared difference to images of a set, of features or, for the baseline, of pixels.

    Parameters
    ----------
    normalize
        See `Configuration.loss`.
    images
        Gives the images of these indices, (B,), as floats in [0, 1], (B, 3, H, W), both on the device.
    count
        How many images there are.
    feature_bytes
        Features that take more are computed again in every step.

    Raises
    ------
    LossmithError
        For images that are smaller than the layer needs.
    """
    if configuration.network is None:
        return lambda prediction, indices: nn.functional.mse_loss(prediction, images(indices))
    loss = configuration.loss(normalize).to(device)
    first = images(torch.arange(1, device=device))
    check_pair(first, first, loss, loss.min_side)
    map_shape = loss.target_features(first)[0].movedim(1, 3).shape[1:]  # channels last, as networks compute them
    if 4 * count * map_shape.numel() > feature_bytes:
        return lambda prediction, indices: loss(prediction, images(indices))
    features = torch.empty(count, *map_shape, device=device)
    for indices in torch.arange(count, device=device).tensor_split(-(-count // CHUNK)):
        features[indices] = loss.target_features(images(indices))[0].movedim(1, 3)
    return lambda prediction, indices: loss.compare_to([features[indices].movedim(3, 1)], prediction).mean()


__all__ = ["Criterion", "fixed_target_loss"]
