"""Random image planes, and the gradient of their SSIM."""

import torch
from torch import Tensor

from lossmith.losses import SSIMLoss


def planes(count: int, height: int, width: int, peak: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(2, count, height, width, generator=generator, dtype=torch.float64) * peak
    return 0.7 * y + 0.3 * x, y


def ssim_gradient(x: Tensor, y: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(SSIMLoss()(leaf, y), leaf)
    return gradient
