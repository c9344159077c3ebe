"""An engine of any kind as a PyTorch module for images of any size."""

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.restoration.engine import Engine


class EngineModule(nn.Module):
    """Maps (N, C, h, w) to (N, C, scale * h, scale * w); a gray network gets the channels one by one."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        # callers look at a parameter for the device of a module; the engine moves images to its own
        self.device_marker = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        count, channels, height, width = images.shape
        planes = images.cpu().reshape(-1, self.engine.channels, height, width)
        restored = self.engine(planes if self.engine.size is None else self._padded(planes, *self.engine.size))
        height, width = self.engine.scale * height, self.engine.scale * width
        return restored[..., :height, :width].reshape(count, channels, height, width)

    def _padded(self, images: Tensor, tall: int, wide: int) -> Tensor:
        """Images padded by reflection to the fixed size of a network."""
        if images.shape[-2] > tall or images.shape[-1] > wide:
            only = f"model '{self.engine.name}' takes {tall} x {wide} pixels only"
            raise LossmithError(f"{only}; restore the degraded images with it, and score the folder")
        for dim, length in ((-2, tall), (-1, wide)):
            last = images.shape[dim] - 1
            images = images.index_select(dim, (last - (torch.arange(length) - last).abs()).clamp(min=0))
        return images
