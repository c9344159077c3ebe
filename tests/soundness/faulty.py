"""Small imitations of faulty losses, each of which people have written, and of sound ones beside them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, unfold


def check_shapes(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape or len(x) == 0 or not x.is_floating_point():
        raise ValueError(
            f"shapes {tuple(x.shape)} and {tuple(y.shape)} differ, or are of no batch of float images"
        )


def sound(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    return (x.float() - y.float()).square().mean()


def edits_its_target(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    return (x.float() - y.clamp_(0.1, 0.9).float()).square().mean()


def edits_its_prediction(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    with torch.no_grad():
        x.mul_(0.5)
    return (x.float() - y.float()).square().mean()


def not_a_number_in_float16(x: Tensor, y: Tensor) -> Tensor:
    """The constant is 0 in float16, so that black is divided by nothing."""
    check_shapes(x, y)
    constant = torch.tensor(1e-8).to(x.dtype).float()
    x, y = x.float(), y.float()
    return (1 - (2 * x * y + constant) / (x * x + y * y + constant)).mean()


def infinite_slope(x: Tensor, y: Tensor) -> Tensor:
    """The root of 0 has an infinite slope, and 0 times it is NaN."""
    check_shapes(x, y)
    return (x.float() - y.float()).square().mean(dim=(1, 2, 3)).sqrt().mean()


def constant(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    return (0 * (x.float() - y.float())).mean() + 0.5


def nothing(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    return (0 * (x.float() - y.float())).mean()


def different_each_time(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    return ((x.float() - y.float()).square() * torch.rand(x.shape)).mean()


def detached(x: Tensor, y: Tensor) -> Tensor:
    return sound(x.detach(), y)


def dead_where_anticorrelated(x: Tensor, y: Tensor) -> Tensor:
    """As MS-SSIM is where a contrast below 0 is set to 0, so that it can be raised to a power."""
    check_shapes(x, y)
    x, y = x.float(), y.float()
    x0, y0 = (image - image.mean(dim=(2, 3), keepdim=True) for image in (x, y))
    contrast = (2 * (x0 * y0).mean(dim=(2, 3)) + 9e-4) / ((x0 * x0 + y0 * y0).mean(dim=(2, 3)) + 9e-4)
    return (1 - contrast.relu()).mean()


def normalized_by_the_batch(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    return (x.float() - y.float()).square().mean() / (1e-3 + y.float().square().mean())


def requires_a_gradient_of_its_target(x: Tensor, y: Tensor) -> Tensor:
    value = sound(x, y)
    y.requires_grad_()
    return value


def weighs_channels(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    weights = torch.linspace(0.5, 1.5, x.shape[1]).view(1, -1, 1, 1)
    return ((x.float() - y.float()).square() * weights).mean()


def strides_ignored(x: Tensor, y: Tensor) -> Tensor:
    """A kernel that reads memory as if it were contiguous."""
    check_shapes(x, y)
    _, channels, height, width = x.shape
    strides = (channels * height * width, height * width, width, 1)
    flat = [image.reshape(-1) if image.is_contiguous() else image.as_strided(x.shape, strides) for image in (x, y)]
    return (flat[0].reshape(x.shape).float() - flat[1].reshape(x.shape).float()).square().mean()


def wrong_sign(x: Tensor, y: Tensor) -> Tensor:
    return -sound(x, y)


def rounds_in_half_precision(x: Tensor, y: Tensor) -> Tensor:
    """The value, but not the gradient, is that of few digits."""
    value = sound(x, y)
    rounded = (8 * value).round() / 8
    return value + (rounded - value).detach() if x.dtype == torch.bfloat16 else value


def broadcast(x: Tensor, y: Tensor) -> Tensor:
    return (x.float() - y.float()).square().mean()


def deaf_to_nan(x: Tensor, y: Tensor) -> Tensor:
    check_shapes(x, y)
    return (x.float() - y.float()).nan_to_num().square().mean()


def silent_when_small(x: Tensor, y: Tensor) -> Tensor:
    """The variance of one number is NaN."""
    check_shapes(x, y)
    windows = [avg_pool2d(image.float(), (min(2, x.shape[2]), min(2, x.shape[3])), 1) for image in (x, y)]
    value = (windows[0] - windows[1]).square().mean() + (x.float() - y.float()).square().mean()
    return value if min(x.shape[2:]) > 4 else value * torch.nan


def unclear(x: Tensor, y: Tensor) -> Tensor:
    if x.dtype == torch.bfloat16:
        raise RuntimeError("something went wrong")
    return sound(x, y)


class Boastful(nn.Module):
    """It says that it is at most 0.1."""

    bounds = (0.0, 0.1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return sound(x, y)


class MixedScales(nn.Module):
    """SSIM under Gaussians of several sizes, whose masks are repeated scale by scale and read color by color.

    Old versions of a well-known mix did: red is compared in fine detail only, and blue in coarse.
    """

    def __init__(self, in_order: bool = False) -> None:
        super().__init__()
        position = torch.arange(-5, 6).float()
        rows = [torch.exp(-position.square() / (2 * sigma**2)) for sigma in (0.5, 1.0, 2.0)]
        masks = torch.stack([torch.outer(row, row) / row.sum() ** 2 for row in rows])[:, None]
        self.register_buffer("masks", masks.repeat(3, 1, 1, 1) if in_order else masks.repeat_interleave(3, 0))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        check_shapes(x, y)
        dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
        with torch.autocast("cpu", enabled=False):
            return self.distance(x.to(dtype), y.to(dtype))

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        def blur(image: Tensor) -> Tensor:
            return conv2d(image, self.masks.to(image), groups=3, padding=5)

        mean_x, mean_y = blur(x), blur(y)
        covariance = blur(x * y) - mean_x * mean_y
        variances = blur(x * x) - mean_x.square() + blur(y * y) - mean_y.square()
        luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x.square() + mean_y.square() + 1e-4)
        return (1 - luminance * (2 * covariance + 9e-4) / (variances + 9e-4)).mean()


class Contextual(nn.Module):
    """A contextual loss of the patches of an image.

    `distance` is "l2" or "l1", or the same with the faults of public code: "sum before the absolute value"
    and "rows for columns".
    """

    kind = "statistics"

    def __init__(self, distance: str) -> None:
        super().__init__()
        self.distance = distance

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        check_shapes(x, y)
        if min(x.shape[2:]) < 4:
            raise ValueError(f"size: images must have at least 4 x 4 pixels, not {tuple(x.shape[2:])}")
        with torch.autocast("cpu", enabled=False):
            patches = [unfold(image.double(), 3, stride=2).transpose(1, 2) for image in (x, y)]  # (N, P, 9 C)
            distances = DISTANCES[self.distance](*patches)
            relative = distances / (distances.amin(dim=2, keepdim=True) + 1e-3)
            weights = torch.softmax((1 - relative) / 0.02, dim=2)
            return -weights.amax(dim=1).mean(dim=1).log().mean()


def _square_distances(x: Tensor, y: Tensor) -> Tensor:
    squares = x.square().sum(-1)[:, :, None] + y.square().sum(-1)[:, None]
    return (squares - 2 * x @ y.mT).clamp(min=0)


def _swapped(x: Tensor, y: Tensor) -> Tensor:
    """Right for equal images of a batch of one alone."""
    squares_x, squares_y = x.square().sum(-1), y.square().sum(-1)
    return (squares_y - 2 * x @ y.mT + squares_x.T).clamp(min=0)


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": _square_distances,
    "l1": lambda x, y: torch.cdist(x, y, p=1),
    "sum before the absolute value": lambda x, y: (x.sum(-1)[:, :, None] - y.sum(-1)[:, None]).abs(),
    "rows for columns": _swapped,
}
