"""Gradient magnitude similarity deviation (GMSD)."""

from torch import Tensor

from lossmith.metrics.inputs import in_full_precision, prepare
from lossmith.metrics.luma import full_luma
from lossmith.metrics.matlab_filters import downsample, gradient, similarity

PREWITT = (1 / 3, 1 / 3, 1 / 3)


@in_full_precision
def gmsd(prediction: Tensor, target: Tensor, *, border: int = 0, round_to_8bit: bool = False) -> Tensor:
    """Gradient magnitude similarity deviation, (N,); 0 is best, lower is better.

    The standard deviation of the similarity of Prewitt gradients, with c = 170 (on 0 to 255), on the full-range
    luma downsampled by 2. The deviation divides by N, as in the paper; the authors' MATLAB code divides by N - 1.

    Options as for `psnr`; the color is the metric's own. Source: Xue, Zhang, Mou, Bovik, IEEE TIP 23(2), 2014,
    equations 4 to 6, and GMSD.m.

    >>> import torch
    >>> image = torch.rand(1, 3, 32, 32)
    >>> gmsd(image, image)
    tensor([0.])
    """
    pair = prepare("gmsd", prediction, target, "own", border, round_to_8bit)
    return compare(*map(describe, pair))


def describe(image: Tensor) -> Tensor:
    """What GMSD compares of (N, C, H, W): the gradient magnitude of the luma at half its size, (N, 1, h, w)."""
    return gradient(downsample(full_luma(image), 2), PREWITT)


def compare(x: Tensor, y: Tensor) -> Tensor:
    """GMSD of images with these gradient magnitudes, (N,)."""
    return similarity(x, y, constant=170).flatten(1).std(1, correction=0)
