"""From one scale of a pyramid to the next coarser one, and gradients back, in plain PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor


def halved(pictures: Tensor) -> Tensor:
    """The means of 2 x 2 pixels, (P, H, W) to half the sides, rounded up: the last row is repeated, if odd."""
    if pictures.is_cpu and all(side % 2 == 0 for side in pictures.shape[-2:]):  # the same in half the time
        return F.interpolate(pictures[None], scale_factor=0.5, mode="bilinear")[0]
    return F.avg_pool2d(pictures, 2, ceil_mode=True, count_include_pad=False)


@torch.no_grad()
def spread(coarse: Tensor, fine: Tensor, by: Tensor) -> Tensor:
    """`by` x `fine` (P, H, W), of each plane, plus four times `coarse` carried back through `halved`.

    The sum takes the place of `fine`, and `coarse` is used up.
    """
    height, width = fine.shape[1:]
    if height % 2:  # the last row had stood for two
        coarse[:, -1].mul_(2)
    if width % 2:
        coarse[:, :, -1].mul_(2)
    enlarged = F.interpolate(coarse[None], scale_factor=2, mode="nearest")[0, :, :height, :width]
    return torch.addcmul(enlarged, fine, by[:, None, None], out=fine)
