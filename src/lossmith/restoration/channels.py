"""Adapts pixels of 1 to 4 channels to networks for color or gray: gray, RGB and alpha."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossmith.metrics.luma import BT601
from lossmith.networks.base import upsample
from lossmith.restoration.engine import Engine

Pixels = NDArray[Any]


@dataclass(frozen=True)
class ChannelAdapter:
    """An engine for pixels of 1 to 4 channels: gray or RGB, with or without alpha."""

    engine: Engine
    restore_alpha: bool = False
    """Whether the network restores the alpha channel too; otherwise it is resized bicubically."""
    mix: Callable[[Tensor, Tensor], Tensor] | None = None
    """Makes the colors of the result of those of the image and of the network's output, both (N, 3, h, w)."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """Restore pixels (h, w, C), uint8 or uint16, to (scale * h, scale * w, C) float32 in [0, 1], not clipped.

        A color network gets gray as RGB, and the luma of its output is taken; a gray network gets red, green and
        blue one by one. Pictures, float32 on the scale of their range, go through the network as they are.
        """
        if pixels.dtype == np.float32:
            planes = torch.from_numpy(pixels).permute(2, 0, 1)
            picture: Pixels = self.engine(planes[None])[0].permute(1, 2, 0).numpy()
            return picture
        white = float(np.iinfo(pixels.dtype).max)
        planes = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / white
        colors = 1 if len(planes) < 3 else 3
        parts = [self._colors(planes[:colors])]
        if len(planes) > colors:
            alpha = planes[colors:]
            parts.append(self._through_network(alpha) if self.restore_alpha else self._resize(alpha))
        restored: Pixels = torch.cat(parts).permute(1, 2, 0).numpy()
        return restored

    def _colors(self, planes: Tensor) -> Tensor:
        if self.mix is None:
            return self._through_network(planes)
        images = planes.expand(3, -1, -1)[None]
        mixed = self.mix(images, self.engine(images))[0]
        return mixed if len(planes) == 3 else self._luma(mixed)

    def _through_network(self, planes: Tensor) -> Tensor:
        if len(planes) == self.engine.channels:
            return self.engine(planes[None])[0]
        if len(planes) == 1:
            return self._luma(self.engine(planes.expand(3, -1, -1)[None])[0])
        return self.engine(planes[:, None])[:, 0]

    def _luma(self, colors: Tensor) -> Tensor:
        return (colors * torch.tensor(BT601)[:, None, None]).sum(0, keepdim=True)

    def _resize(self, planes: Tensor) -> Tensor:
        return upsample(planes[None], self.engine.scale, "bicubic")[0]


def planes_for(engine: Engine, pixels: Pixels, levels: int) -> Tensor:
    """Pixels (h, w, C) as (1, channels, h, w) in [0, 1] for an engine, without alpha; red for a gray engine.

    Pictures, which are float32, are taken as they are.
    """
    colors = pixels if pixels.dtype == np.float32 else pixels[..., : 1 if pixels.shape[-1] < 3 else 3]
    planes = torch.from_numpy(colors.astype(np.float32) / levels).permute(2, 0, 1)[None]
    return planes[:, :1].expand(-1, engine.channels, -1, -1) if planes.shape[1] != engine.channels else planes


BICUBIC_REACH = 3
"""Pixels to each side that the resized alpha channel depends on."""


def to_levels(values: Pixels, dtype: str) -> Pixels:
    """Round values in [0, 1] to the levels of uint8 or uint16, halves up, and clip; float32 changes nothing."""
    if dtype == "float32":
        return values
    white = np.iinfo(dtype).max
    levels: Pixels = np.clip(np.floor(values * np.float32(white) + np.float32(0.5)), 0, white).astype(dtype)
    return levels
