"""The losses that the tests of this folder go through, and what they compare."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache

import torch
from torch import Tensor

from lossmith import losses
from lossmith.losses import Loss

STRUCTURAL = [
    "l1",
    "charbonnier",
    "ssim",
    "ssim(padding=reflect)",
    "ms_ssim(levels=2)",
    "ms_ssim_sigmas(form=center)",
    "mix",
    "texture(levels=2, period=1)",
    "2*(ssim + 0.5*tv) + l2",
    "80%*l1 + 20%*ssim",
]
NETWORK = "squeezenet1_1, relu1, weights=random"
DEEP = [
    f"features({NETWORK})",
    "lpips(squeeze, linear=false, weights=random)",
    f"style({NETWORK})",
    f"style_w2({NETWORK})",
    f"contextual({NETWORK})",
    f"contextual({NETWORK}, distance=l2)",
    f"contextual({NETWORK}, distance=l1)",
    "mdf(jpeg)",
    "dists(weights=random)",
]
EXPRESSIONS = [*STRUCTURAL, *DEEP]


@cache
def cached_loss(expression: str, reduction: str) -> Loss:
    criterion = losses.loss(expression, reduction=reduction)
    return criterion.eval() if "%*" in expression else criterion  # percentages that do not follow the calls


def loss(expression: str, *, reduction: str = "mean") -> Loss:
    """A copy, which a test may change; to draw a network's weights takes longer than most tests."""
    return deepcopy(cached_loss(expression, reduction))


def pair(batch: int = 2, height: int = 43, width: int = 45, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A prediction and its target; odd sides, which have a middle and halve to unequal parts."""
    generator = torch.Generator("cpu").manual_seed(seed)
    target, noise = torch.rand(2, batch, 3, height, width, generator=generator, dtype=torch.float32)
    return 0.7 * target + 0.3 * noise, target


def gradient(criterion: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    leaf = prediction.clone().requires_grad_()
    return torch.autograd.grad(criterion(leaf, target).sum(), leaf)[0]


def close(actual: Tensor, expected: Tensor, share: float = 1e-4) -> None:
    """To a share of the largest number: the plain formulas round differently from the loops, in float32."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=share * expected.abs().max().item())
