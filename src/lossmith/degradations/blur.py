"""Deblurring's damage: a Gaussian point spread."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from lossmith.core.errors import LossmithError
from lossmith.degradations.base import Degradation
from lossmith.degradations.checks import check_nonnegative, range_ends
from lossmith.expressions import Range

MAX_SIGMA = 100
"""Pixels of standard deviation; more leaves nothing of an image."""


@dataclass(frozen=True)
class Blur(Degradation):
    """Blur with a Gaussian of standard deviation `sigma`, in pixels.

    The kernel is sampled, cut off at 4 sigma (rounded up, so 2 x ceil(4 sigma) + 1 pixels wide) and normalized.
    The image continues beyond its edges mirrored, edge pixels included, as for `bicubic`. Nothing is rounded.
    The same as SciPy's `gaussian_filter` with mode="reflect" and radius=ceil(4 sigma).

    >>> Blur(1.5)(torch.rand(3, 33, 17)).shape
    torch.Size([3, 33, 17])
    """

    name: ClassVar[str] = "blur"
    sigma: float | Range

    def __post_init__(self) -> None:
        check_nonnegative(self.name, "sigma", self.sigma)
        if self._widest > MAX_SIGMA:
            raise LossmithError(f"blur: sigma must be at most {MAX_SIGMA} pixels, not {self._widest:g}")

    @property
    def margin(self) -> int:
        return math.ceil(4 * self._widest)

    @property
    def _widest(self) -> float:
        return float(range_ends(self.sigma)[-1])  # type: ignore[arg-type]

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert not isinstance(self.sigma, Range)
        kernel = gaussian_kernel(self.sigma, self.margin)
        work = clean.to(torch.promote_types(clean.dtype, torch.float32))
        return _filtered(_filtered(work, kernel, 1), kernel, 2).to(clean.dtype)


def gaussian_kernel(sigma: float, radius: int) -> Tensor:
    """The kernel, (2 radius + 1,) in float64.

    >>> gaussian_kernel(0.5, 2)
    tensor([2.6387e-04, 1.0645e-01, 7.8657e-01, 1.0645e-01, 2.6387e-04],
           dtype=torch.float64)
    """
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (places / sigma).square()) if radius else torch.ones_like(places)
    return kernel / kernel.sum()


def _filtered(image: Tensor, kernel: Tensor, dim: int) -> Tensor:
    """(3, H, W) filtered along one side, which continues mirrored as far as the kernel reaches."""
    side, radius = image.shape[dim], len(kernel) // 2
    places = torch.arange(-radius, side + radius, device=image.device) % (2 * side)
    wide = image.index_select(dim, torch.minimum(places, 2 * side - 1 - places))
    shape = (1, 1, -1, 1) if dim == 1 else (1, 1, 1, -1)
    return conv2d(wide[:, None], kernel.to(image).view(shape))[:, 0]
