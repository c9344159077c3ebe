"""From one scale of a pyramid to the next coarser one, and gradients back, in plain PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.losses.transforms import plainly, recorded


def halved(pictures: Tensor) -> Tensor:
    """The means of 2 x 2 pixels, (P, H, W) to half the sides, rounded up: the last row is repeated, if odd."""
    if recorded():  # without a question about sizes, whose answer would become a condition
        return _halved_along(_halved_along(pictures, 1), 2)
    even = not plainly(pictures) and all(side % 2 == 0 for side in pictures.shape[-2:])
    if even and pictures.is_cpu:  # the same in half the time
        return F.interpolate(pictures[None], scale_factor=0.5, mode="bilinear")[0]
    return F.avg_pool2d(pictures, 2, ceil_mode=True, count_include_pad=False)


def _halved_along(pictures: Tensor, axis: int) -> Tensor:
    side = pictures.shape[axis]
    first = torch.arange(0, side, 2, device=pictures.device)
    second = (first + 1).clamp(max=side - 1)
    return (pictures.index_select(axis, first) + pictures.index_select(axis, second)) / 2


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
