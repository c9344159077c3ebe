"""The distance of two pictures at one layer, in the form that LPIPS has before its weights are learned."""

import math

import torch
from torch import Tensor

from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.losses.perceptual.lpips import unit_vectors
from lossmith.studies.configuration import Configuration


class LayerDistance:
    """The squared difference of unit feature vectors, summed over channels and averaged over positions.

    For the baseline the features are the pixels, and the distance is their mean squared error. Pictures are
    normalized as the network's weights expect it.

    >>> distance = LayerDistance(Configuration("squeezenet1_1", "fire2", random=True))
    >>> features = distance.features(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    >>> distance.channels(features, features).shape
    torch.Size([2, 128])
    """

    def __init__(self, configuration: Configuration) -> None:
        self.name, self.device = configuration.name, best_device()
        self._extractor = (
            None if configuration.network is None else configuration.extractor("weights").to(self.device)
        )

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """What is compared of images, uint8 (N, 3, H, W): (N, C, h, w).

        Raises LossmithError for images that are smaller than the network needs, and if features are not finite.
        """
        images = images.to(self.device).float() / 255
        if self._extractor is None:
            return images / math.sqrt(images.shape[1])  # so that the sum over channels is their mean
        height, width = images.shape[2:]
        if min(height, width) < (side := self._extractor.min_side):
            raise LossmithError(
                f"{self.name} needs pictures of {side} or more pixels a side, not {width}x{height}"
            )
        (features,) = self._extractor(images)
        if not features.isfinite().all():
            raise LossmithError(f"{self.name} gives features that are not finite numbers, so there is no distance")
        return unit_vectors(features)

    @torch.no_grad()
    def channels(self, first: Tensor, second: Tensor) -> Tensor:
        """The mean squared difference of features in each channel, (N, C); their sum is the distance."""
        return _over_positions((first - second).square_()).mean(1)

    @torch.no_grad()
    def dropout_variances(self, first: Tensor, second: Tensor) -> Tensor:
        """The variance of `channels`, (N, C), under dropout: half of the squares become 0, the rest double."""
        squares = _over_positions((first - second).square_())
        return squares.square_().mean(1) / squares.shape[1]


def _over_positions(features: Tensor) -> Tensor:
    """Features (N, C, h, w) as (N, h * w, C), their order in memory."""
    return features.movedim(1, 3).flatten(1, 2)


__all__ = ["LayerDistance"]
