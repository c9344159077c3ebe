"""Any engine as a module that takes color images."""

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.restoration.engine import Engine


class Applied(nn.Module):
    """(N, 3, h, w) to (N, 3, scale h, scale w); a network for gray images gets the channels one by one."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        # where others look for the device of a network; an engine has its own
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        count, channels, height, width = images.shape
        given = images.cpu().reshape(-1, self.engine.channels, height, width)
        restored = self.engine(given if self.engine.size is None else self._filled(given, *self.engine.size))
        height, width = self.engine.scale * height, self.engine.scale * width
        return restored[..., :height, :width].reshape(count, channels, height, width)

    def _filled(self, images: Tensor, tall: int, wide: int) -> Tensor:
        """As large as a network of one size wants them, by reflection."""
        if images.shape[-2] > tall or images.shape[-1] > wide:
            only = f"model '{self.engine.name}' takes {tall} x {wide} pixels only"
            raise LossmithError(f"{only}; restore the degraded images with it, and score the folder")
        for dim, length in ((-2, tall), (-1, wide)):
            last = images.shape[dim] - 1
            images = images.index_select(dim, (last - (torch.arange(length) - last).abs()).clamp(min=0))
        return images
