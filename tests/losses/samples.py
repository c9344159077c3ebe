"""A pair of random images, and a comparison to rounding in float64."""

import torch
from torch import Tensor


def pair(batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    x, y = torch.rand(2, batch, 3, 23, 23, generator=generator, dtype=torch.float64)
    return x, y


def close(actual: Tensor, expected: Tensor | float) -> bool:
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), rtol=1e-12, atol=1e-14)
    return True
