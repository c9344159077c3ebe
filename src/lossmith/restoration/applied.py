"""Any engine as a module for pictures of any size."""

import torch
from torch import Tensor, nn

from lossmith.restoration.engine import Engine
from lossmith.restoration.reach import reach_of


class Applied(nn.Module):
    """(N, 3, h, w) to (N, 3, scale h, scale w), whichever channels and sides the engine takes.

    A network for gray pictures gets the channels one by one; sides that are too short or no multiple are continued
    by reflection, and the result is cut.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.multiple = reach_of(engine, 0).multiple
        # where others look for the device of a network; an engine has its own
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, pictures: Tensor) -> Tensor:
        count, channels, height, width = pictures.shape
        given = pictures.cpu().reshape(-1, self.engine.channels, height, width)
        restored = self.engine(self._continued(self._continued(given, -2), -1))
        scale = self.engine.scale
        restored = restored[..., : scale * height, : scale * width]
        return restored.reshape(count, channels, scale * height, scale * width)

    def _continued(self, pictures: Tensor, dim: int) -> Tensor:
        length = pictures.shape[dim]
        whole = -(-max(length, self.engine.least) // self.multiple) * self.multiple
        places = length - 1 - (torch.arange(whole) - (length - 1)).abs()
        return pictures.index_select(dim, places.clamp(min=0))
