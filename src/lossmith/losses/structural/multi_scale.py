"""The product of means over scales, each half the size of the one before."""

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

    A mean is that of 1 - cs, and at the coarsest scale of 1 - l cs. A factor below 0 has no fractional power:
    the product is 0 then, and what the factor is below 0 is added, times its exponent.
    """

    spec: SSIMSpec
    exponents: tuple[float, ...]
    """Of the finest scale first."""
    mirror: int = 0
    """Pixels by which the images of every scale are continued by their mirror images."""

    @property
    def specs(self) -> list[SSIMSpec]:
        coarsest = len(self.exponents) - 1
        return [self.spec._replace(luminance=level == coarsest) for level in range(coarsest + 1)]

    def values(self, x: Tensor, y: Tensor) -> Tensor:
        deficits = []
        for level, plan in enumerate(self.specs):
            if level:
                x, y = downsample2x(x), downsample2x(y)
            deficits.append(
                x.shape[0] * per_plane(self._continued(x), self._continued(y), MeanDissimilarity(plan))[0]
            )
        return one_minus_product(torch.stack(deficits), self.exponents)[0] / x.shape[0]

    def _continued(self, planes: Tensor) -> Tensor:
        """(1, P, h, w)."""
        around = (self.mirror,) * 4
        return F.pad(planes[None], around, mode="reflect") if self.mirror else planes[None]

    def values_and_grad(self, x: Tensor, y: Tensor, need_grad: bool) -> tuple[Tensor, Tensor | None]:
        if self.mirror:
            return self._by_autograd(x, y, need_grad)
        engine, x, y = dispatch.backend_for(x), x.contiguous(), y.contiguous()
        deficits: list[Tensor] = []
        gradients: list[Tensor] = []
        for level, plan in enumerate(self.specs):
            if level:
                x, y = engine.downsample2x(x), engine.downsample2x(y)
            means, gradient = engine.dissimilarity_and_grad(x, y, plan, 1 / plan.positions(x), need_grad)
            deficits.append(means)
            gradients += [] if gradient is None else [gradient]
        values, by = one_minus_product(torch.stack(deficits), self.exponents)
        if not gradients:
            return values / len(x), None
        for level, factors in enumerate(by):
            factors.mul_(0.25**level / len(x))  # what a coarser pixel is given, each of its four has a quarter of
        *finer, gradient = gradients
        gradient.mul_(by[-1, :, None, None])
        for fine, factors in zip(reversed(finer), reversed(by[:-1]), strict=True):
            gradient = engine.upsample2x_add(gradient, fine, factors)
        return values / len(x), gradient

    def _by_autograd(self, x: Tensor, y: Tensor, slopes: bool) -> tuple[Tensor, Tensor | None]:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(slopes)
            parts = self.values(leaf, y)
        return parts.detach(), torch.autograd.grad(parts, leaf, torch.ones_like(parts))[0] if slopes else None


def one_minus_product(deficits: Tensor, exponents: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """1 - the product of (1 - missing)^exponent over the first axis, and its derivatives by `deficits`.

    See `MultiScale` for factors below 0. Autograd finds the same derivatives of the value, in more steps.
    """
    weights = weights_of(deficits, exponents)
    positive = deficits < 1
    whole = positive.all(0)
    some = torch.where(positive, deficits, 0)
    lost = torch.expm1((weights * torch.log1p(-some)).sum(0))
    values = torch.where(whole, -lost, 1) + (weights * F.relu(deficits - 1)).sum(0)
    return values, weights * torch.where(whole, (1 + lost) / (1 - some), (deficits > 1).to(deficits.dtype))


def weights_of(deficits: Tensor, exponents: tuple[float, ...]) -> Tensor:
    """(levels, 1), made where they are needed, as a copy from the CPU would have a GPU waited for."""
    return torch.stack([deficits.new_full((1,), exponent) for exponent in exponents])
