"""Filters with the zero borders of MATLAB's `conv2(..., 'same')`, for metrics published in MATLAB.

Images are (N, C, H, W).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def gradient(image: Tensor, smoothing: tuple[float, float, float]) -> Tensor:
    """Gradient magnitude of (N, 1, H, W): central differences, smoothed across them; zeros outside.

    `smoothing` holds the weights across the direction of the difference: thirds for Prewitt; 3/16, 10/16 and 3/16
    for Scharr.

    >>> ramp = torch.arange(5.0).expand(1, 1, 5, 5)
    >>> gradient(ramp, (0.25, 0.5, 0.25))[0, 0, 2]
    tensor([1., 2., 2., 2., 3.])
    """
    across = torch.tensor(smoothing, dtype=image.dtype, device=image.device)
    difference = torch.tensor([1.0, 0.0, -1.0], dtype=image.dtype, device=image.device)
    kernels = torch.stack([torch.outer(across, difference), torch.outer(difference, across)])[:, None]
    horizontal, vertical = F.conv2d(image, kernels, padding=1).chunk(2, dim=1)
    is_zero = (horizontal == 0) & (vertical == 0)  # where the root has no derivative
    return torch.hypot(horizontal, vertical.masked_fill(is_zero, 1)).masked_fill(is_zero, 0)


def downsample(image: Tensor, factor: int) -> Tensor:
    """Mean of factor x factor pixels of (N, C, H, W), then every factor-th of them; zeros outside.

    For factor 2 the blocks are disjoint; for 3 they are centered on the pixels that stay.

    >>> downsample(torch.arange(8.0).reshape(1, 1, 2, 4), 2)
    tensor([[[[2.5000, 4.5000]]]])
    """
    if factor == 1:
        return image
    before, after = (factor - 1) // 2, factor // 2
    padded = F.pad(image, (before, after, before, after))
    return F.avg_pool2d(padded, factor, stride=factor)


def similarity(x: Tensor, y: Tensor, constant: float) -> Tensor:
    """(2 x y + c) / (x^2 + y^2 + c): 1 where x = y, less elsewhere."""
    return (2 * x * y + constant) / (x.square() + y.square() + constant)


def power(base: Tensor, exponent: float) -> Tensor:
    """base ^ exponent for base >= 0 and 0 < exponent < 1, with a derivative of 0, not infinity, where base is 0.

    >>> base = torch.tensor([0.0, 4.0], requires_grad=True)
    >>> power(base, 0.5).sum().backward()
    >>> base.grad
    tensor([0.0000, 0.2500])
    """
    is_zero = base == 0
    return base.masked_fill(is_zero, 1).pow(exponent).masked_fill(is_zero, 0)


def halve(image: Tensor) -> Tensor:
    """(N, 1, H, W) of even sides, 4 and up, at half its size, as `imresize(image, 0.5)`.

    Antialiased, with mirrored edges.

    >>> halve(torch.arange(8.0).expand(1, 1, 4, 8))[0, 0, 0]
    tensor([0.4492, 2.4883, 4.5117, 6.5508])
    """
    # Keys' kernel (a = -1/2) stretched by 2, at -3.5, -2.5, ..., 3.5 pixels from the new one
    outer_half = torch.tensor([-3, -9, 29, 111], dtype=image.dtype, device=image.device) / 256
    kernel = torch.cat([outer_half, outer_half.flip(0)])
    for dim in (2, 3):
        start, end = (image.narrow(dim, first, 3).flip(dim) for first in (0, image.shape[dim] - 3))
        padded = torch.cat([start, image, end], dim)
        shape = [1, 1, -1, 1] if dim == 2 else [1, 1, 1, -1]
        image = F.conv2d(padded, kernel.view(shape), stride=[2 if axis == dim else 1 for axis in (2, 3)])
    return image
