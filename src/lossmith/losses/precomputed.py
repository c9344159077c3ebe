"""Losses on features of two images, which are computed once for a target that is fixed."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError, counted
from lossmith.losses.base import Loss, TargetedLoss
from lossmith.losses.function_transforms import full_precision

Bands = str | Sequence[int] | None
"""Indices of channels: text such as "4,2,0", a sequence, or None for all."""


class PrecomputableLoss(Loss):
    """A loss that compares a prediction with features of the target, tensors that can be computed beforehand.

    Parameters
    ----------
    channels
        The number of channels that the images must have, since a network takes no other.
    gray
        "refuse" images of one channel, or "repeat" the channel, if the network takes more.
    bands
        Which channels of the images the network gets, as many as it takes.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        For other values of `gray` and `bands`.
    """

    any_size = False
    """Whether a fixed target may have another size than the prediction, as the target of a style may."""

    def __init__(
        self, channels: int = 3, gray: str = "refuse", bands: Bands = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        if gray not in ("refuse", "repeat"):
            raise LossmithError(f"{self.name}: gray must be 'refuse' or 'repeat', not '{gray}'")
        self.channels, self.gray = channels, gray
        self.band_indices = None if bands is None else parse_bands(self.name, bands, channels)
        self.bands = None if self.band_indices is None else ",".join(map(str, self.band_indices))

    def target_features(self, target: Tensor) -> Iterable[Tensor]:
        """The features of a target, without a graph; an iterator may compute each when it is needed."""
        raise NotImplementedError

    def compare_to(self, features: Iterable[Tensor], prediction: Tensor) -> Tensor:
        """The distance of a prediction to a target with these features, (N,)."""
        raise NotImplementedError

    @property
    def channels_owner(self) -> str:
        """What takes images of `channels` channels only, for messages."""
        return str(self)

    def select_channels(self, image: Tensor) -> Tensor:
        """The channels of (N, C, H, W) that the network gets: those of `bands`, all, or a gray one repeated.

        Raises LossmithError as `check_channels` does.
        """
        self.check_channels(image.shape[1])
        if self.band_indices is not None:
            return torch.stack([image[:, band] for band in self.band_indices], 1)
        return image if image.shape[1] == self.channels else image.expand(-1, self.channels, -1, -1)

    def check_channels(self, channels: int) -> None:
        """Raise LossmithError, a sentence that says both numbers, if images of so many channels are not taken."""
        if self.band_indices is not None:
            if (last := max(self.band_indices)) >= channels:
                raise LossmithError(
                    f'{self.name}: bands="{self.bands}" names channel {last}, counted from 0, and the images have '
                    f"{counted(channels, 'channel')}"
                )
            return
        repeats = channels == 1 and self.gray == "repeat"
        if channels == self.channels or repeats:
            return
        hint = ""
        if (channels, self.channels) == (1, 3):
            hint = "; gray images are repeated with gray=repeat"
        elif channels > self.channels:
            hint = f"; name those that it gets, counted from 0, such as {_example(self.channels)}"
        raise LossmithError(
            f"{self.channels_owner} takes images of {counted(self.channels, 'channel')}, not {channels}{hint}"
        )

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.compare_to(self.target_features(target), prediction)

    def with_target(self, target: Tensor) -> nn.Module:
        return PrecomputedLoss(self, target)


class PrecomputedLoss(TargetedLoss):
    """A loss against a fixed target, whose features are buffers as well."""

    loss: PrecomputableLoss

    def __init__(self, loss: PrecomputableLoss, target: Tensor) -> None:
        super().__init__(loss, target)
        with full_precision(target.device):
            features = list(loss.target_features(self.target))
        self.buffer_names = [f"feature{n}" for n, _ in enumerate(features)]
        for name, feature in zip(self.buffer_names, features, strict=True):
            self.register_buffer(name, feature, persistent=False)

    def forward(self, prediction: Tensor) -> Tensor:
        target = prediction.detach() if self.loss.any_size else self.target
        return self.loss.evaluate(self._compare_to_buffers, prediction, target)

    def _compare_to_buffers(self, prediction: Tensor, _: Tensor) -> Tensor:
        return self.loss.compare_to([getattr(self, name) for name in self.buffer_names], prediction)


def parse_bands(name: str, bands: str | Sequence[int], channels: int) -> tuple[int, ...]:
    """The indices in `bands`, one for each of the `channels` of a network.

    >>> parse_bands("lpips", "4,2,0", 3), parse_bands("lpips", (4, 2, 0), 3)
    ((4, 2, 0), (4, 2, 0))
    """
    try:
        texts = bands.replace(",", " ").split() if isinstance(bands, str) else map(str, bands)
        indices = tuple(map(int, texts))
    except (TypeError, ValueError):
        indices = ()
    if len(indices) != channels or min(indices) < 0:
        raise LossmithError(
            f"{name}: bands must name {counted(channels, 'channel')}, counted from 0, such as "
            f"{_example(channels)}, not '{bands}'"
        )
    return indices


def _example(channels: int) -> str:
    return f'bands="{",".join(map(str, range(channels)))}"'


__all__ = ["Bands", "PrecomputableLoss", "parse_bands"]
