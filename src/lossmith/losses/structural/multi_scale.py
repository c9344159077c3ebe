"""MS-SSIM: the product of means over scales, each half the size of the one before."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.losses.structural.autograd import per_plane
from lossmith.losses.structural.backends import dispatch
from lossmith.losses.structural.backends.torch_backend import downsample2x
from lossmith.losses.structural.formulas import SSIMSpec
from lossmith.losses.structural.single_scale import MeanDissimilarity


class MultiScale(NamedTuple):
    """The `Measure` 1 - the product over scales of (1 - mean)^exponent, averaged over planes.

    The mean is of 1 - cs, and at the coarsest scale of 1 - l cs. A factor below 0 has no fractional power: the
    product is 0 then, and the absolute value of the factor times its exponent is added to the result.
    """

    spec: SSIMSpec
    exponents: tuple[float, ...]
    """The exponents, finest scale first."""
    mirror: int = 0
    """Pixels by which the images are padded by reflection, at every scale."""

    @property
    def specs(self) -> list[SSIMSpec]:
        """The specification of each scale, finest first."""
        coarsest = len(self.exponents) - 1
        return [self.spec._replace(luminance=level == coarsest) for level in range(coarsest + 1)]

    def values(self, x: Tensor, y: Tensor) -> Tensor:
        deficits = []
        for level, spec in enumerate(self.specs):
            if level:
                x, y = downsample2x(x), downsample2x(y)
            deficits.append(x.shape[0] * per_plane(self._padded(x), self._padded(y), MeanDissimilarity(spec))[0])
        return one_minus_product(torch.stack(deficits), self.exponents)[0] / x.shape[0]

    def _padded(self, planes: Tensor) -> Tensor:
        """The planes with their reflections, (1, P, h, w)."""
        padding = (self.mirror,) * 4
        return F.pad(planes[None], padding, mode="reflect") if self.mirror else planes[None]

    def values_and_grad(self, x: Tensor, y: Tensor, need_grad: bool) -> tuple[Tensor, Tensor | None]:
        if self.mirror:
            return self._by_autograd(x, y, need_grad)
        backend, x, y = dispatch.backend_for(x), x.contiguous(), y.contiguous()
        deficits: list[Tensor] = []
        gradients: list[Tensor] = []
        for level, spec in enumerate(self.specs):
            if level:
                x, y = backend.downsample2x(x), backend.downsample2x(y)
            means, gradient = backend.dissimilarity_and_grad(x, y, spec, 1 / spec.positions(x), need_grad)
            deficits.append(means)
            gradients += [] if gradient is None else [gradient]
        values, by = one_minus_product(torch.stack(deficits), self.exponents)
        if not gradients:
            return values / len(x), None
        for level, factors in enumerate(by):
            factors.mul_(
                0.25**level / len(x)
            )  # each of the four pixels under a coarser one has a quarter of its gradient
        *finer, gradient = gradients
        gradient.mul_(by[-1, :, None, None])
        for fine, factors in zip(reversed(finer), reversed(by[:-1]), strict=True):
            gradient = backend.upsample2x_add(gradient, fine, factors)
        return values / len(x), gradient

    def _by_autograd(self, x: Tensor, y: Tensor, need_grad: bool) -> tuple[Tensor, Tensor | None]:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(need_grad)
            values = self.values(leaf, y)
        gradient = torch.autograd.grad(values, leaf, torch.ones_like(values))[0] if need_grad else None
        return values.detach(), gradient


def one_minus_product(deficits: Tensor, exponents: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """1 - the product of (1 - deficit)^exponent over the first axis, and its derivatives by the deficits.

    See `MultiScale` for factors below 0. The derivatives are those that autograd computes in more steps.
    """
    weights = weights_of(deficits, exponents)
    positive = deficits < 1
    all_positive = positive.all(0)
    safe = torch.where(positive, deficits, 0)  # whose logarithm exists
    product_minus_one = torch.expm1((weights * torch.log1p(-safe)).sum(0))
    values = torch.where(all_positive, -product_minus_one, 1) + (weights * F.relu(deficits - 1)).sum(0)
    slopes = torch.where(all_positive, (1 + product_minus_one) / (1 - safe), (deficits > 1).to(deficits.dtype))
    return values, weights * slopes


def weights_of(deficits: Tensor, exponents: tuple[float, ...]) -> Tensor:
    """The exponents, (levels, 1), made on the device, since a copy from the CPU would synchronize a GPU."""
    return torch.stack([deficits.new_full((1,), exponent) for exponent in exponents])
