"""The degradation of deblurring: a Gaussian blur."""

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
"""The largest standard deviation in pixels; a larger one would leave nothing of an image."""


@dataclass(frozen=True)
class Blur(Degradation):
    """Blur with a Gaussian of standard deviation `sigma`, in pixels.

    The kernel is sampled, truncated to 2 ceil(4 sigma) + 1 pixels and normalized. The image is padded by
    mirroring, edge pixels included, as for `bicubic`. Nothing is rounded. Equals SciPy's `gaussian_filter` with
    mode="reflect" and radius=ceil(4 sigma).

    Parameters
    ----------
    sigma
        Standard deviation in pixels, 0 to 100, or a range.

    Examples
    --------
    >>> Blur(1.5)(torch.rand(3, 33, 17)).shape
    torch.Size([3, 33, 17])
    """

    name: ClassVar[str] = "blur"
    sigma: float | Range | tuple[float, float]

    def __post_init__(self) -> None:
        self._pairs_to_ranges()
        check_nonnegative(self.name, "sigma", self.sigma)
        if self._max_sigma > MAX_SIGMA:
            raise LossmithError(f"blur: sigma must be at most {MAX_SIGMA} pixels, not {self._max_sigma:g}")

    @property
    def margin(self) -> int:
        return math.ceil(4 * self._max_sigma)

    @property
    def _max_sigma(self) -> float:
        return float(range_ends(self.sigma)[-1])  # type: ignore[arg-type]

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert isinstance(self.sigma, int | float)  # every call draws from ranges
        kernel = gaussian_kernel(self.sigma, self.margin)
        work = clean.to(torch.promote_types(clean.dtype, torch.float32))
        return _filtered(_filtered(work, kernel, 1), kernel, 2).to(clean.dtype)


def gaussian_kernel(sigma: float, radius: int) -> Tensor:
    """The normalized Gaussian kernel, (2 radius + 1,) in float64.

    >>> gaussian_kernel(0.5, 2)
    tensor([2.6387e-04, 1.0645e-01, 7.8657e-01, 1.0645e-01, 2.6387e-04],
           dtype=torch.float64)
    """
    x = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (x / sigma).square()) if radius else torch.ones_like(x)
    return kernel / kernel.sum()


def _filtered(image: Tensor, kernel: Tensor, dim: int) -> Tensor:
    """(C, H, W) filtered along dimension `dim`, after padding it by mirroring."""
    side, radius = image.shape[dim], len(kernel) // 2
    indices = torch.arange(-radius, side + radius, device=image.device) % (2 * side)
    padded = image.index_select(dim, torch.minimum(indices, 2 * side - 1 - indices))
    shape = (1, 1, -1, 1) if dim == 1 else (1, 1, 1, -1)
    return conv2d(padded[:, None], kernel.to(image).view(shape))[:, 0]
