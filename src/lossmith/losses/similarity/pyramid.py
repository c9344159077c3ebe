"""The product of means over scales, each half the size of the one before."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.losses.similarity import engines
from lossmith.losses.similarity.halving import halved
from lossmith.losses.similarity.measures import by_plane
from lossmith.losses.similarity.plan import Plan
from lossmith.losses.similarity.scale import Mean


class Pyramid(NamedTuple):
    """The `Measure` 1 - the product over scales of (1 - mean)^exponent, averaged over planes.

    A mean is that of 1 - cs, and at the coarsest scale of 1 - l cs. A factor below 0 has no fractional power:
    the product is 0 then, and what the factor is below 0 is added, times its exponent.
    """

    plan: Plan
    exponents: tuple[float, ...]
    """Of the finest scale first."""
    mirror: int = 0
    """Pixels by which the pictures of every scale are continued by their mirror images."""

    @property
    def plans(self) -> list[Plan]:
        coarsest = len(self.exponents) - 1
        return [self.plan._replace(luminance=level == coarsest) for level in range(coarsest + 1)]

    def parts(self, x: Tensor, y: Tensor) -> Tensor:
        missing = []
        for level, plan in enumerate(self.plans):
            if level:
                x, y = halved(x), halved(y)
            missing.append(x.shape[0] * by_plane(self._continued(x), self._continued(y), Mean(plan))[0])
        return one_minus_product(torch.stack(missing), self.exponents)[0] / x.shape[0]

    def _continued(self, planes: Tensor) -> Tensor:
        """(1, P, h, w)."""
        around = (self.mirror,) * 4
        return F.pad(planes[None], around, mode="reflect") if self.mirror else planes[None]

    def parts_and_gradient(self, x: Tensor, y: Tensor, slopes: bool) -> tuple[Tensor, Tensor | None]:
        if self.mirror:
            return self._by_autograd(x, y, slopes)
        engine, x, y = engines.engine_for(x), x.contiguous(), y.contiguous()
        missing: list[Tensor] = []
        gradients: list[Tensor] = []
        for level, plan in enumerate(self.plans):
            if level:
                x, y = engine.halved(x), engine.halved(y)
            means, gradient = engine.sweep(x, y, plan, 1 / plan.positions(x), slopes)
            missing.append(means)
            gradients += [] if gradient is None else [gradient]
        values, by = one_minus_product(torch.stack(missing), self.exponents)
        if not gradients:
            return values / len(x), None
        for level, factors in enumerate(by):
            factors.mul_(0.25**level / len(x))  # what a coarser pixel is given, each of its four has a quarter of
        *finer, gradient = gradients
        gradient.mul_(by[-1, :, None, None])
        for fine, factors in zip(reversed(finer), reversed(by[:-1]), strict=True):
            gradient = engine.spread(gradient, fine, factors)
        return values / len(x), gradient

    def _by_autograd(self, x: Tensor, y: Tensor, slopes: bool) -> tuple[Tensor, Tensor | None]:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(slopes)
            parts = self.parts(leaf, y)
        return parts.detach(), torch.autograd.grad(parts, leaf, torch.ones_like(parts))[0] if slopes else None


def one_minus_product(missing: Tensor, exponents: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """1 - the product of (1 - missing)^exponent over the first axis, and its derivatives by `missing`.

    See `Pyramid` for factors below 0. Autograd finds the same derivatives of the value, in more steps.
    """
    weights = weights_of(missing, exponents)
    positive = missing < 1
    whole = positive.all(0)
    some = torch.where(positive, missing, 0)
    lost = torch.expm1((weights * torch.log1p(-some)).sum(0))
    values = torch.where(whole, -lost, 1) + (weights * F.relu(missing - 1)).sum(0)
    return values, weights * torch.where(whole, (1 + lost) / (1 - some), (missing > 1).to(missing.dtype))


def weights_of(missing: Tensor, exponents: tuple[float, ...]) -> Tensor:
    """(levels, 1), made where they are needed, as a copy from the CPU would have a GPU waited for."""
    return torch.stack([missing.new_full((1,), exponent) for exponent in exponents])
