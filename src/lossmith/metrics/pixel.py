"""Pixel errors: PSNR, and L1 and L2 as in the tables of Zhao et al."""

from torch import Tensor

from lossmith.metrics.inputs import Color, in_full_precision, mean_over, prepare

MAX_PSNR = 100.0
"""The PSNR of identical images in dB; an infinite one would make the mean over images infinite."""


@in_full_precision
def psnr(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    color: Color = "rgb",
    border: int = 0,
    round_to_8bit: bool = False,
    ceiling: float = MAX_PSNR,
) -> Tensor:
    """Peak signal-to-noise ratio in dB, (N,); higher is better.

    -10 log10 of the mean squared error over all channels and pixels of an image, for a peak of 1, which is the
    width of the range. The PSNR of a set is the mean of its images' PSNR.

    Parameters
    ----------
    prediction, target
        (N, C, H, W) floats on the scale of the range: its low end is 0, its high end 1.
    valid
        (N, 1, H, W) bool, of the size that the border leaves: the pixels that count; all if None. An image without
        any scores NaN.
    color
        "rgb" for the channels as they are, "y" for BT.601 luma (studio swing, as super-resolution papers use).
    border
        Pixels to crop from each side.
    round_to_8bit
        Clamp to [0, 1] and round to 8 bits first, as `lossmith evaluate` does; this leaves no gradient.
    ceiling
        Upper limit in dB, reached by identical images; `math.inf` for none.

    >>> import torch
    >>> black = torch.zeros(2, 3, 8, 8, dtype=torch.float64)
    >>> psnr(black + 0.1, black)
    tensor([20.0000, 20.0000], dtype=torch.float64)
    >>> psnr(black, black)
    tensor([100., 100.], dtype=torch.float64)
    """
    x, y = prepare("psnr", prediction, target, color, border, round_to_8bit)
    error = mean_over((x - y).square(), valid)
    # the first clamp keeps the gradient of the logarithm finite, the second removes rounding errors
    return (-10 * error.clamp(min=10 ** (-ceiling / 10)).log10()).clamp(max=ceiling)


@in_full_precision
def l1(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    color: Color = "rgb",
    border: int = 0,
    round_to_8bit: bool = False,
) -> Tensor:
    """1000 times the mean absolute error by the width of the range, (N,); lower is better. Options as for `psnr`.

    Source: the tables of Zhao, Gallo, Frosio, Kautz, IEEE TCI 3(1), 2017.

    >>> import torch
    >>> l1(torch.full((1, 3, 8, 8), 0.25), torch.zeros(1, 3, 8, 8))
    tensor([250.])
    """
    x, y = prepare("l1", prediction, target, color, border, round_to_8bit)
    return 1000 * mean_over((x - y).abs(), valid)


@in_full_precision
def l2(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    color: Color = "rgb",
    border: int = 0,
    round_to_8bit: bool = False,
) -> Tensor:
    """1000 times the mean squared error by that of the range, (N,); lower is better. Options as for `psnr`.

    Source: the tables of Zhao, Gallo, Frosio, Kautz, IEEE TCI 3(1), 2017.

    >>> import torch
    >>> l2(torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 3, 8, 8))
    tensor([250.])
    """
    x, y = prepare("l2", prediction, target, color, border, round_to_8bit)
    return 1000 * mean_over((x - y).square(), valid)
