"""Losses with one fault each, as people write them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, instance_norm, l1_loss

from lossmith.losses import SSIMLoss


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """To be maximized."""
    return 1 - SSIMLoss()(x, y)


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return (x - y).square().mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, y = ctx.saved_tensors
        return gradients[0] * 2 * (y - x) / x.numel(), None


def backward_of_other_sign(x: Tensor, y: Tensor) -> Tensor:
    value: Tensor = _Turned.apply(x, y)
    return value


def capped(x: Tensor, y: Tensor) -> Tensor:
    return l1_loss(x, y).clamp(max=0.05)


def blind_to_casts(x: Tensor, y: Tensor) -> Tensor:
    return l1_loss(instance_norm(x, eps=1e-12), instance_norm(y, eps=1e-12))


def of_mean_colors(x: Tensor, y: Tensor) -> Tensor:
    return l1_loss(x.mean((2, 3)), y.mean((2, 3)))


def _weighted(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    return (weights * (x - y).abs()).mean()


def more_to_the_right(x: Tensor, y: Tensor) -> Tensor:
    return _weighted(x, y, torch.linspace(0.9, 1.1, x.shape[-1], dtype=x.dtype))


def more_below(x: Tensor, y: Tensor) -> Tensor:
    return _weighted(x, y, torch.linspace(0.9, 1.1, x.shape[-2], dtype=x.dtype)[:, None])


def along_rows(x: Tensor, y: Tensor) -> Tensor:
    return l1_loss(x, y) + l1_loss(x.diff(dim=-1), y.diff(dim=-1))


def more_in_the_middle(x: Tensor, y: Tensor) -> Tensor:
    rows, columns = (torch.linspace(-3, 3, side, dtype=x.dtype) for side in x.shape[-2:])
    return _weighted(x, y, torch.exp(-rows.square())[:, None] * torch.exp(-columns.square()))


class WithDropout(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return l1_loss(x, y) + (0.5 * (x - y).square().mean() if self.training else 0)


class WithRunningMean(nn.Module):
    """Whose buffer goes on in evaluation, though it does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return l1_loss(x, y)


class WithCache(nn.Module):
    """Which makes its weights in the first call, whatever the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: Tensor | None = None

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if self.weights is None:
            self.weights = torch.ones_like(x[:1, :1, :1, :1])
        return (self.weights.to(x) * (x - y).square()).mean()


def seeding(x: Tensor, y: Tensor) -> Tensor:
    torch.manual_seed(0)
    return l1_loss(x, y)


def setting_dtype(x: Tensor, y: Tensor) -> Tensor:
    torch.set_default_dtype(torch.float64)
    return l1_loss(x, y)


class WithLateNetwork:
    """Sound: random numbers are drawn where the network is made, in the first call."""

    def __init__(self) -> None:
        self.network: nn.Module | None = None

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        if self.network is None:
            self.network = nn.Conv2d(3, 3, 3)
        return l1_loss(x, y)


def strict(x: Tensor, y: Tensor) -> Tensor:
    """Sound: it refuses values outside [0, 1], in the words of a package."""
    for image in (x, y):
        if image.min() < 0 or image.max() > 1:
            raise ValueError(f"values in range {[image.min(), image.max()]} when all are expected in [0, 1]")
    return l1_loss(x, y)


def without_tape(x: Tensor, y: Tensor) -> Tensor:
    value = l1_loss(x, y)
    return value if torch.is_grad_enabled() else 0 * value


class WithLateBuffer(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if not hasattr(self, "window"):
            self.register_buffer("window", torch.ones(1))
        return l1_loss(x, y)


class Sharing(nn.Module):
    """Whose deep copies are the same object."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(1))

    def __deepcopy__(self, memo: object) -> "Sharing":
        return self

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.scale * l1_loss(x, y)


class Remembering(nn.Module):
    """Which keeps its last value, and with it the graph."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        self.last = l1_loss(x, y)
        return self.last


class WithLambda(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weigh = lambda value: 2 * value

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.as_tensor(self.weigh(l1_loss(x, y)))


class WithConstant(nn.Module):
    """Whose kernel is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = torch.full((1, 1, 3, 3), 1 / 9)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        difference = (x - y).flatten(0, 1)[:, None]
        return conv2d(difference, self.kernel).abs().mean() + avg_pool2d(difference, 2).abs().mean()


class WithKernelOfTheFirstCall(nn.Module):
    """Whose kernel stays in the dtype of the first images."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel: Tensor | None = None

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if self.kernel is None:
            self.kernel = torch.full((1, 1, 3, 3), 1 / 9, dtype=x.dtype)
        return conv2d((x - y).flatten(0, 1)[:, None], self.kernel).abs().mean()


class WithWeights(nn.Module):
    """Whose weights stay on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.ones(1, 1, 1, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.weights.mean((0, 1, 2))[:1] * (x - y).abs()).mean()


def other_when_compiled(x: Tensor, y: Tensor) -> Tensor:
    return 2 * l1_loss(x, y) if torch.compiler.is_compiling() else l1_loss(x, y)


def summed(x: Tensor, y: Tensor) -> Tensor:
    return l1_loss(x, y, reduction="sum")


class Restless(nn.Module):
    """Which weighs every call otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.factors: Iterator[int] = iter(range(1, 10_000))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return next(self.factors) * l1_loss(x, y)
