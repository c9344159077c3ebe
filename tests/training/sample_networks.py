"""Networks that show what training does to them."""

import torch
from torch import Tensor


class NormalizedNetwork(torch.nn.Module):
    """It has statistics, which count the batches that it learns from, and draws."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.norm, self.drop = torch.nn.BatchNorm2d(3), torch.nn.Dropout(0.2)

    def forward(self, degraded: Tensor) -> Tensor:
        return self.drop(self.norm(self.conv(degraded)))
