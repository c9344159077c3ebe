"""Instance normalization in the layout in which convolutions are fastest."""

import torch
from torch import Tensor, nn


class InstanceNorm2d(nn.InstanceNorm2d):
    """Instance normalization that leaves channels-last features on the CPU in their layout when it predicts.

    PyTorch copies them to channels-first, and the next convolution copies them back; together that takes longer
    than the convolutions of a small network. The weights and, up to rounding, the results are the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self._stays_channels_last(x):
            return super().forward(x)
        centered = x - x.mean((2, 3), keepdim=True)
        scale = (centered.square().mean((2, 3), keepdim=True) + self.eps).rsqrt_()
        if not self.affine:
            return centered.mul_(scale)
        return centered.mul_(scale.mul_(self.weight.view(-1, 1, 1))).add_(self.bias.view(-1, 1, 1))

    def _stays_channels_last(self, x: Tensor) -> bool:
        predicts = not (torch.is_grad_enabled() or torch.compiler.is_compiling() or self.track_running_stats)
        fits = x.dtype == torch.float32 and x.device.type == "cpu" and x.ndim == 4  # in others it is no faster
        return predicts and fits and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


__all__ = ["InstanceNorm2d"]
