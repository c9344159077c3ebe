"""Pictures and damaged copies of them, by rising amounts of damage."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from lossmith.soundness.dead_leaves import dead_leaves

MARGIN = 8
"""Pixels around the pictures that are damaged with them and then cut off, so that no border shows."""


@dataclass(frozen=True)
class Damage:
    """A way to damage a picture, and rising amounts of it."""

    says: str
    """What there is more of, as in "more noise"."""
    unit: str
    """Of the amounts, for the page."""
    amounts: tuple[float, ...]
    """From the least damage to the most."""
    apply: Callable[[Tensor, float, torch.Generator], Tensor]
    """The damaged copy of (N, C, H, W) pictures."""


def _noise(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    return (x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)).clamp(0, 1)


def _blur(x: Tensor, sigma: float, _: torch.Generator) -> Tensor:
    channels, radius = x.shape[1], MARGIN
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma).square())
    kernel = (kernel / kernel.sum()).to(x).expand(channels, 1, 1, -1)
    padded = pad(x, [radius] * 4, mode="replicate")
    return conv2d(conv2d(padded, kernel, groups=channels), kernel.mT, groups=channels)


def _jpeg(x: Tensor, quality: float, _: torch.Generator) -> Tensor:
    from lossmith.core.pixel_format import PixelFormat
    from lossmith.degradations import JPEG

    if x.shape[1] == 3:
        return torch.stack([JPEG(int(quality))(image) for image in x])
    of_gray = JPEG(int(quality)).for_pixels(PixelFormat(channels=1))
    return torch.stack([of_gray(channel[None]) for channel in x.flatten(0, 1)]).view_as(x)


def _shift(x: Tensor, pixels: float, _: torch.Generator) -> Tensor:
    return x.roll(int(pixels), dims=-1)


def _cast(x: Tensor, gain: float, _: torch.Generator) -> Tensor:
    channels = x.shape[1]
    losses = torch.linspace(0, 1, channels) if channels > 1 else torch.ones(1)
    return x * (1 - gain * losses.to(x))[:, None, None]


DAMAGES = {
    "noise": Damage("more noise", "of the range", (0.02, 0.05, 0.1, 0.2), _noise),
    "blur": Damage("more blur", "pixels", (0.5, 1.0, 1.5, 2.5), _blur),
    "jpeg": Damage("stronger compression by JPEG", "quality", (90, 60, 30, 10), _jpeg),
    "shift": Damage("a shift by more pixels", "pixels", (1, 2, 3), _shift),
    "color cast": Damage("a stronger color cast", "of the brightness", (0.03, 0.1, 0.2, 0.4), _cast),
}
"""By name. A cast darkens the last channel, those before it less, and the first not, unless it is alone."""


def damaged(damage: str, amount: float, shape: tuple[int, int, int, int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """A damaged picture and the picture itself, prediction and target, (N, C, H, W) float32 both.

    The pictures are `dead_leaves`. The same noise is taken at every amount.

    Parameters
    ----------
    damage
        A name of `DAMAGES`: noise, blur, jpeg, shift or color cast.
    amount
        The standard deviation of the noise or of the blur, the quality of the JPEG, the shift in pixels, or the
        relative loss of the last channel.
    shape
        (N, C, H, W).
    seed
        Of the pictures and the noise.

    Raises ImportError for JPEG where NumPy or Pillow is not installed.

    >>> prediction, target = damaged("noise", 0.1, (1, 3, 32, 32))
    >>> round(float((prediction - target).std()), 2)
    0.1
    """
    count, channels, height, width = shape
    target = cached_pictures((count, channels, height + 2 * MARGIN, width + 2 * MARGIN), seed)
    prediction = DAMAGES[damage].apply(target, amount, torch.Generator().manual_seed(seed + 1))
    inside = ..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)
    return prediction[inside].clone(), target[inside].clone()


cached_pictures = lru_cache(maxsize=4)(dead_leaves)
"""The pictures of a check, which damages them several times and never in place."""


__all__ = ["DAMAGES", "Damage", "damaged"]
