"""SSIM and MS-SSIM as similarities, computed by the losses."""

import torch.nn.functional as F
from torch import Tensor

from lossmith.losses import MSSSIMLoss, SSIMLoss
from lossmith.metrics.inputs import Color, in_full_precision, mean_over, prepare

_SSIM = SSIMLoss(reduction="none")
_MS_SSIM = MSSSIMLoss(reduction="none")

SSIM_MIN_SIDE = _SSIM.min_side
MS_SSIM_MIN_SIDE = _MS_SSIM.min_side


@in_full_precision
def ssim(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    color: Color = "rgb",
    border: int = 0,
    round_to_8bit: bool = False,
) -> Tensor:
    """Structural similarity (not 1 - SSIM), (N,); at most 1, higher is better.

    The mean over channels and positions of

        (2 mx my + c1) (2 sxy + c2) / ((mx^2 + my^2 + c1) (sx^2 + sy^2 + c2))

    with means m, variances s^2 and covariance sxy under an 11x11 Gaussian window of sigma 1.5 that lies inside the
    image; c1 = 0.01^2, c2 = 0.03^2.

    Options as for `psnr`; with `valid`, windows that hold an invalid pixel do not count. Raises LossmithError for
    less than 11x11 pixels.
    Source: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004.

    >>> import torch
    >>> image = torch.rand(2, 3, 32, 32)
    >>> ssim(image, image)
    tensor([1., 1.])
    """
    x, y = prepare("ssim", prediction, target, color, border, round_to_8bit, SSIM_MIN_SIDE)
    if valid is not None:
        holds_invalid = F.max_pool2d((~valid).to(x.dtype), SSIM_MIN_SIDE, stride=1) > 0
        return 1 - mean_over(_SSIM.loss_map(x, y), ~holds_invalid)
    similarity: Tensor = 1 - _SSIM(x, y)
    return similarity


@in_full_precision
def ms_ssim(
    prediction: Tensor,
    target: Tensor,
    *,
    color: Color = "rgb",
    border: int = 0,
    round_to_8bit: bool = False,
) -> Tensor:
    """Multi-scale structural similarity (not 1 - MS-SSIM), (N,); 0 to 1, higher is better.

    The product over five scales, each half the size of the one before, of the mean contrast-structure to the power
    of the scale's weight, with the luminance at the coarsest. An anti-correlated channel counts as 0 and
    has no gradient.

    Options as for `psnr`. Raises LossmithError for less than 161x161 pixels.
    Source: Wang, Simoncelli, Bovik, Asilomar 2003.

    >>> import torch
    >>> image = torch.rand(1, 3, 161, 161)
    >>> ms_ssim(image, image)
    tensor([1.])
    """
    x, y = prepare("ms_ssim", prediction, target, color, border, round_to_8bit, MS_SSIM_MIN_SIDE)
    # each channel as a separate image, because the clamp at 0 is per channel
    channels: Tensor = 1 - _MS_SSIM(x.flatten(0, 1)[:, None], y.flatten(0, 1)[:, None])
    return channels.reshape(x.shape[:2]).clamp(min=0).mean(1)
