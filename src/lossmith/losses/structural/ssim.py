"""SSIM, and MS-SSIM over a pyramid of scales.

Each color channel is compared with itself, and the channels are averaged, so that their order does not matter.
Variances are population variances (divided by the sum of the weights, not by one less).
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.base import Loss
from lossmith.losses.structural.autograd import Measure, per_plane, reduce_all
from lossmith.losses.structural.formulas import Constants, Gaussian, SSIMSpec
from lossmith.losses.structural.multi_scale import MultiScale
from lossmith.losses.structural.single_scale import MeanDissimilarity, dissimilarity_map

PADDINGS = ("valid", "same", "reflect")


class SSIMBase(Loss):
    """Base class: a window, and the constants for a range of values."""

    def __init__(self, window: int, k1: float, k2: float, data_range: float, reduction: str) -> None:
        super().__init__(reduction)
        if window < 1 or window % 2 == 0:
            raise LossmithError(f"{self.name}: window must be an odd number of pixels, not {window}")
        for option, value in {"k1": k1, "k2": k2, "data_range": data_range}.items():
            check_positive(self.name, option, value)
        self.window, self.k1, self.k2, self.data_range = window, k1, k2, data_range

    @property
    def constants(self) -> Constants:
        return Constants(self.k1, self.k2, self.data_range)


class SSIMLoss(SSIMBase):
    """1 - SSIM, where SSIM is the mean of luminance x contrast-structure under a Gaussian window.

    For the weighted means m, variances s^2 and covariance s_xy of prediction x and target y under the window,

        SSIM(x, y) = (2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2))

    at every position and for every channel; the loss is 1 minus its mean. `losses.functional.ssim` is SSIM itself.

    Parameters
    ----------
    window
        The side of the window in pixels, odd.
    sigma
        The standard deviation of the window in pixels.
    padding
        "valid" compares where the whole window is inside the image, as the authors' code and scikit-image's
        `gaussian_weights=True, use_sample_covariance=False` do. "same" compares at every pixel by the part of the
        window that is inside; "reflect" at every pixel of the mirrored image, which counts the border twice.
    k1, k2, data_range
        C1 = (k1 data_range)^2 and C2 = (k2 data_range)^2, where `data_range` is the value of white: 1 for images
        in [0, 1], 255 for bytes.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        For an even window, an unknown padding, and numbers that are not above 0; when called, for images with a
        side below `window` ("valid"), or `window // 2 + 1` ("reflect").

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli, Image quality assessment: from error visibility to structural similarity,
    IEEE TIP 13(4), 2004.

    >>> import torch
    >>> image = torch.rand(2, 3, 32, 32)
    >>> SSIMLoss()(image, image).item()
    0.0
    """

    name = "ssim"
    formula = "1 - mean of luminance x contrast-structure under an 11 x 11 Gaussian, sigma 1.5"
    bounds = "0 to 2 (above 1 where images are anti-correlated)"
    source = "Wang et al. 2004"

    def __init__(
        self,
        window: int = 11,
        sigma: float = 1.5,
        padding: str = "valid",
        k1: float = 0.01,
        k2: float = 0.03,
        data_range: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(window, k1, k2, data_range, reduction)
        if padding not in PADDINGS:
            raise LossmithError(f"{self.name}: padding must be one of {', '.join(PADDINGS)}, not '{padding}'")
        check_positive(self.name, "sigma", sigma)
        self.sigma, self.padding = sigma, padding
        self.min_side = {"valid": window, "same": 1, "reflect": window // 2 + 1}[padding]

    def loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        """1 - SSIM at every position: (N, C, H - window + 1, W - window + 1), or (N, C, H, W) with padding.

        Both images are (N, C, H, W); the map is differentiable by the prediction.
        """
        return self.evaluate_map(self._loss_map, prediction, target)

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        padded = self._pad(prediction), self._pad(target)
        return prediction.shape[0] * per_plane(*padded, self._measure()).sum(1)

    def mean(self, prediction: Tensor, target: Tensor) -> Tensor:
        if type(self).per_image is not SSIMLoss.per_image:  # a subclass with a formula of its own
            return super().mean(prediction, target)
        return reduce_all(self._pad(prediction), self._pad(target), self._measure())

    def _measure(self) -> Measure:
        return MeanDissimilarity(self._spec())

    def _loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        return dissimilarity_map(self._pad(prediction), self._pad(target), self._spec())

    def _spec(self) -> SSIMSpec:
        return SSIMSpec((Gaussian(self.sigma, self.window),), self.constants, same=self.padding == "same")

    def _pad(self, image: Tensor) -> Tensor:
        return F.pad(image, (self.window // 2,) * 4, mode="reflect") if self.padding == "reflect" else image


class MSSSIMLoss(SSIMLoss):
    """1 - MS-SSIM over a pyramid of five scales, each half the size of the one before.

    With the factors l (luminance) and cs (contrast-structure) of SSIM, for every channel

        MS-SSIM(x, y) = (mean of l cs at scale 5)^w_5  x  product over scales j = 1 .. 4 of (mean of cs_j)^w_j

    Each scale is the mean of 2 x 2 pixels of the one before; at odd sizes the last row or column is repeated, as
    in the authors' code. `losses.functional.ms_ssim` is 1 - the loss.

    A mean cs is negative where images are anti-correlated. It has no fractional power, and clamping it to 0, as
    usual, leaves no gradient. Here the product is 0 then, and the loss is 1 + w_j |mean of cs_j|, which has one.
    Where every factor is positive, this is the standard.

    Parameters
    ----------
    levels
        The number of scales. Five need 161 x 161 pixels; 4, 3 and 2 need 81, 41 and 21, leave out the coarsest
        scales and rescale the remaining weights to sum to 1, for training on small patches.
    window, sigma
        The side (odd) and the standard deviation of the Gaussian window at every scale, in pixels.
    weights
        The exponents w_j, finest scale first, as a sequence or as text ("0.3 0.3 0.4"), one for each level and not
        rescaled. By default 0.0448, 0.2856, 0.3001, 0.2363, 0.1333.
    padding
        At every scale, see `SSIMLoss`.
    k1, k2, data_range
        See `SSIMLoss`.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        As `SSIMLoss` does, and for a number of weights that is not `levels`.

    References
    ----------
    Wang, Simoncelli, Bovik, Multi-scale structural similarity for image quality assessment, Asilomar 2003.
    """

    name = "ms_ssim"
    formula = "1 - product over 5 halvings of (mean contrast-structure)^weight, luminance at the coarsest"
    bounds = "0 to 2 (above 1 where images are anti-correlated)"
    source = "Wang et al. 2003"
    WEIGHTS: ClassVar[tuple[float, ...]] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

    def __init__(
        self,
        levels: int = 5,
        window: int = 11,
        sigma: float = 1.5,
        weights: str | Sequence[float] | None = None,
        padding: str = "valid",
        k1: float = 0.01,
        k2: float = 0.03,
        data_range: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(window, sigma, padding, k1, k2, data_range, reduction)
        if weights is None:
            if not 1 <= levels <= len(self.WEIGHTS):
                raise LossmithError(f"ms_ssim: levels must be 1 to {len(self.WEIGHTS)}, not {levels}")
            finest = self.WEIGHTS[:levels]
            total = 1.0 if levels == len(self.WEIGHTS) else sum(finest)  # the five sum to 1.0001
            self.exponents = tuple(weight / total for weight in finest)
        else:
            self.exponents = parse_numbers(self.name, "weights", weights)
            if levels != len(self.exponents):
                raise LossmithError(f"ms_ssim: {levels} levels need {levels} weights, not {len(self.exponents)}")
        self.levels, self.weights = levels, option_value(weights, self.exponents)
        self.min_side = (self.min_side - 1) * 2 ** (levels - 1) + 1

    def loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Raises LossmithError: MS-SSIM is a product of means over the image and has no map."""
        raise LossmithError("ms_ssim is a product of means over the image and has no map; ssim has one")

    def _measure(self) -> Measure:
        return MultiScale(self._spec(), self.exponents, self.window // 2 if self.padding == "reflect" else 0)

    def _pad(self, image: Tensor) -> Tensor:
        return image  # `MultiScale` pads every scale


def check_positive(name: str, option: str, number: float) -> None:
    if not 0 < number < math.inf:
        raise LossmithError(f"{name}: {option} must be above 0, not {number}")


def option_value(
    value: str | Sequence[float] | None, numbers: tuple[float, ...]
) -> str | tuple[float, ...] | None:
    """The value to keep of an option: None and text as they are, any other sequence as a tuple."""
    return value if value is None or isinstance(value, str) else numbers


def parse_numbers(name: str, option: str, value: str | Sequence[float]) -> tuple[float, ...]:
    """Numbers above 0 from a sequence, or from text that separates them by spaces."""
    try:
        numbers = tuple(float(number) for number in (value.split() if isinstance(value, str) else value))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers:
        raise LossmithError(
            f"{name}: {option} must be numbers separated by spaces, such as \"1 2 4\", not '{value}'"
        )
    for number in numbers:
        check_positive(name, option, number)
    return numbers


__all__ = ["MSSSIMLoss", "SSIMBase", "SSIMLoss", "option_value", "parse_numbers"]
