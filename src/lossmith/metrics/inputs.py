"""Inputs of all metrics: checks, full precision, and the options of a protocol."""

from collections.abc import Callable
from functools import wraps
from typing import Literal, ParamSpec

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.base import check_pair
from lossmith.losses.function_transforms import full_precision
from lossmith.metrics.luma import studio_luma

Color = Literal["rgb", "y"]

P = ParamSpec("P")


def in_full_precision(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Decorates a metric, so that it computes in full precision under autocast, too."""

    @wraps(function)
    def metric(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        device = next((x.device for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), torch.device("cpu"))
        with full_precision(device):
            return function(*args, **kwargs)

    return metric


def prepare(
    name: str,
    prediction: Tensor,
    target: Tensor,
    color: Color | Literal["own"],
    border: int,
    round_to_8bit: bool,
    min_side: int = 1,
) -> tuple[Tensor, Tensor]:
    """Prediction and target as a metric compares them: (N, C, H, W), or (N, 1, H, W) for color "y".

    They are rounded to 8 bits on request, then cropped, then converted to luma, which is not rounded again.
    Float32 and float64 stay as they are; lower precisions become float32.

    Parameters
    ----------
    name
        The name of the metric, for error messages.
    prediction, target
        (N, C, H, W) floats on the scale of the range, of one shape, on one device.
    color
        "rgb" for the channels as they are, "y" for BT.601 luma, "own" for a metric with a luma of its own.
    border
        Pixels to crop from each side.
    round_to_8bit
        Whether to clamp to [0, 1] and round to 8 bits.
    min_side
        Pixels that must be left on each side.

    Raises
    ------
    LossmithError
        If the metric does not take the pair, its size or an option.

    >>> gray = torch.full((2, 3, 8, 8), 0.5)
    >>> x, _ = prepare("psnr", gray, gray, "y", border=2, round_to_8bit=True)
    >>> tuple(x.shape), round(x[0, 0, 0, 0].item() * 255, 3)
    ((2, 1, 4, 4), 125.929)
    """
    check_options(color, border)
    check_pair(prediction, target, name)
    channels, height, width = prediction.shape[1:]
    if color != "rgb" and channels not in (1, 3):
        raise LossmithError(f"{name}: images must have 3 channels, or 1 where they are gray, not {channels}")
    least_side = max(min_side, 1) + 2 * border
    if min(height, width) < least_side:
        crop = f" with {border} cropped from each side" if border else ""
        raise LossmithError(
            f"{name} needs at least {least_side} x {least_side} pixels{crop}, not {height} x {width}"
        )
    dtype = torch.promote_types(torch.promote_types(prediction.dtype, target.dtype), torch.float32)
    pair = []
    for image in (prediction, target):
        image = image.to(dtype)[..., border : height - border, border : width - border]
        image = (image * 255 + 0.5).floor().clamp(0, 255) / 255 if round_to_8bit else image
        pair.append(studio_luma(image) if color == "y" else image)
    return pair[0], pair[1]


def mean_over(values: Tensor, valid: Tensor | None = None) -> Tensor:
    """The mean of (N, C, H, W) over all channels and the positions that are valid, (N, 1, H, W) bool: (N,).

    Over all positions if `valid` is None; NaN where none is valid.

    >>> values = torch.tensor([1.0, 2.0, torch.nan]).reshape(1, 1, 1, 3)
    >>> mean_over(values, values < 3), mean_over(values)
    (tensor([1.5000]), tensor([nan]))
    """
    if valid is None:
        return values.flatten(1).mean(1)
    count = valid.flatten(1).sum(1) * values.shape[1]
    return values.where(valid, 0).flatten(1).sum(1) / count


def check_options(color: str = "rgb", border: int = 0) -> None:
    """Raise LossmithError for an invalid color or border."""
    if color not in ("rgb", "y", "own"):
        raise LossmithError(f"color must be 'rgb' or 'y', not '{color}'")
    if not isinstance(border, int) or isinstance(border, bool) or border < 0:
        raise LossmithError(f"border must be a number of pixels, 0 or more, not {border}")


__all__ = ["Color", "check_options", "in_full_precision", "mean_over", "prepare"]
