"""Structural similarity: SSIM, MS-SSIM over a pyramid, MS-SSIM over Gaussians, and the mix with L1.

All compare each colour channel with itself and average over channels, so a permutation of the channels changes
nothing. Variances are population variances. Constants are (0.01 L)^2 and (0.03 L)^2 with the range L = 1.
"""

import math
from functools import reduce
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.errors import LossmithError
from lossmith.losses.base import Loss
from lossmith.losses.windows import Moments, filter_inside, filter_valid, gaussian, moments_of, stack_products

C1, C2 = 0.01**2, 0.03**2


def luminance(m: Moments) -> Tensor:
    """l = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1); exactly 1 for equal means."""
    return (2 * m.mean_x * m.mean_y + C1) / (m.mean_x.square() + m.mean_y.square() + C1)


def contrast_structure(m: Moments) -> Tensor:
    """cs = (2 cov + C2) / (var_x + var_y + C2); exactly 1 for equal pictures.

    Variances come out of a subtraction. In [0, 1] its rounding is far below C2, but it grows with the square of
    the values, and for a network that has run away it could turn the denominator around. The bounds keep loss and
    gradient finite then; the 1 % beyond equality leaves flat areas, where cs is 1 give or take a rounding, their
    gradient.
    """
    spread = m.var_x + m.var_y
    distance = spread - 2 * m.covariance
    return 1 - (distance / (spread.clamp(min=-C2 / 2) + C2)).clamp(-0.01, 2)


class SSIM(Loss):
    """1 - SSIM: local luminance, contrast and structure under an 11x11 Gaussian window of sigma 1.5.

    The window stays inside the picture ("valid"), as in the authors' code and scikit-image's
    `gaussian_weights=True, use_sample_covariance=False`.

    Source: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004.

    >>> picture = torch.rand(2, 3, 32, 32)
    >>> SSIM()(picture, picture).item()
    0.0
    """

    name = "ssim"
    formula = "1 - mean of luminance x contrast-structure under an 11 x 11 Gaussian, sigma 1.5"
    bounds = "0 to 2 (above 1 where pictures are anti-correlated)"
    source = "Wang et al. 2004"

    def __init__(self, window: int = 11, sigma: float = 1.5, reduction: str = "mean") -> None:
        super().__init__(reduction)
        _check_window(self.name, window, sigma)
        self.window, self.sigma = window, sigma
        self.least_side = window

    def map(self, prediction: Tensor, target: Tensor) -> Tensor:
        """1 - SSIM at every position where the window fits: (N, C, H - window + 1, W - window + 1)."""
        l, cs = self._similarity(prediction, target)
        return 1 - l * cs

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.map(prediction, target).flatten(1).mean(1)

    def _similarity(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        blurred = filter_valid(stack_products(x, y), gaussian(self.sigma, self.window, x))
        m = moments_of(blurred)
        return luminance(m), contrast_structure(m)


class MSSSIM(SSIM):
    """1 - MS-SSIM over a pyramid of five scales, each half the size of the one before.

    The product over scales of (mean cs)^weight, with the luminance at the coarsest scale only, per channel.
    Halving is the mean of 2x2 pixels; at odd sizes the last row or column is repeated, as in the authors' code.
    Needs 161 x 161 pixels; `levels` below 5 drops coarse scales (4: 81, 3: 41, 2: 21 pixels) and rescales the
    weights to sum to 1, for training on small patches.

    A mean cs can be negative where pictures are anti-correlated; its fractional power does not exist, and the
    usual clamp to 0 leaves no gradient. Here MS-SSIM is 0 then, and the loss grows beyond 1 by
    weight x |mean cs|, so training finds its way out. Wherever every factor is positive this is the standard.

    Source: Wang, Simoncelli, Bovik, Asilomar 2003.
    """

    name = "ms_ssim"
    formula = "1 - product over 5 halvings of (mean contrast-structure)^weight, luminance at the coarsest"
    bounds = "0 to 2 (above 1 where pictures are anti-correlated)"
    source = "Wang et al. 2003"
    WEIGHTS: ClassVar[tuple[float, ...]] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

    def __init__(self, levels: int = 5, window: int = 11, sigma: float = 1.5, reduction: str = "mean") -> None:
        super().__init__(window, sigma, reduction)
        if not 1 <= levels <= len(self.WEIGHTS):
            raise LossmithError(f"ms_ssim: levels must be 1 to {len(self.WEIGHTS)}, not {levels}")
        self.levels = levels
        self.least_side = (window - 1) * 2 ** (levels - 1) + 1

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        factors = []
        for level in range(self.levels):
            if level:
                prediction, target = _halve(prediction), _halve(target)
            l, cs = self._similarity(prediction, target)
            factors.append((l * cs if level == self.levels - 1 else cs).mean((-2, -1)))
        weights = self.WEIGHTS[: self.levels]
        total = 1.0 if self.levels == len(self.WEIGHTS) else sum(weights)  # the five sum to 1.0001
        return _one_minus_product(factors, [weight / total for weight in weights]).mean(1)


class MSSSIMSigmas(Loss):
    """1 - MS-SSIM with five Gaussians on the full-size picture instead of a pyramid.

    l of the widest Gaussian times the product of cs under every Gaussian, all exponents 1, for each channel.

    - `form="dense"`: at every pixel, then the mean. The 33x33 window is cut off at the border of the picture and
      its weights rescaled, so any size works and no pixel is invented.
    - `form="centre"`: as published, once per channel at the middle pixel of the patch, under Gaussians as large
      as the whole patch; sides must be odd. It is the dense form read at the middle, if `window` covers the patch.

    Source: Zhao, Gallo, Frosio, Kautz, IEEE TCI 3(1), 2017, equations 8 to 11, and its published code.
    """

    name = "ms_ssim_sigmas"
    formula = "1 - luminance (sigma 8) x contrast-structure under sigmas 0.5, 1, 2, 4, 8, at full size"
    bounds = "0 to 2"
    source = "Zhao et al. 2017"
    SIGMAS: ClassVar[tuple[float, ...]] = (0.5, 1.0, 2.0, 4.0, 8.0)

    def __init__(self, form: str = "dense", window: int = 33, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if form not in ("dense", "centre"):
            raise LossmithError(f"{self.name}: form must be 'dense' or 'centre', not '{form}'")
        _check_window(self.name, window, sigma=1.0)
        self.form, self.window = form, window

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (1 - self.similarity(prediction, target)).flatten(1).mean(1)

    def similarity(self, x: Tensor, y: Tensor) -> Tensor:
        """MS-SSIM per channel and position: (N, C, H, W) dense, (N, C, 1, 1) at the centre."""
        products = stack_products(x, y)
        scales = [moments_of(self.average(products, sigma)) for sigma in self.SIGMAS]
        return reduce(torch.mul, map(contrast_structure, scales), luminance(scales[-1]))

    def average(self, maps: Tensor, sigma: float) -> Tensor:
        """Gaussian means of (N, C, H, W) maps, at every pixel or at the centre."""
        if self.form == "dense":
            reach = math.ceil(8 * sigma)  # beyond it a weight is below 1e-14 of the central one
            return filter_inside(maps, gaussian(sigma, min(self.window, 2 * reach + 1), maps))
        height, width = maps.shape[-2:]
        if height % 2 == 0 or width % 2 == 0:
            raise LossmithError(f"{self}: the patch needs odd sides to have a centre, not {height} x {width}")
        weights = gaussian(sigma, height, maps)[:, None] * gaussian(sigma, width, maps)
        return (maps * weights).sum((-2, -1), keepdim=True)


class Mix(MSSSIMSigmas):
    """alpha (1 - MS-SSIM) + (1 - alpha) times the L1 error under the widest Gaussian.

    MS-SSIM is `ms_ssim_sigmas`. The paper's alpha is 0.84 (the default); the authors' published code has 0.025,
    which is nearly pure L1, and is here under the name `mix_pl4nn` after their repository. No rescaling explains
    the gap. There is no further factor (some ports multiply by 200).

    Source: Zhao, Gallo, Frosio, Kautz, IEEE TCI 3(1), 2017, equation 12.
    """

    name = "mix"
    formula = "alpha x ms_ssim_sigmas + (1 - alpha) x mean of Gaussian-weighted |prediction - target|"
    bounds = "0 and up"

    def __init__(
        self, alpha: float = 0.84, form: str = "dense", window: int = 33, reduction: str = "mean"
    ) -> None:
        super().__init__(form, window, reduction)
        if not 0 <= alpha <= 1:
            raise LossmithError(f"mix: alpha must be 0 to 1, not {alpha}")
        self.alpha = alpha

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self._structure(prediction, target) + self._pixels(prediction, target)

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {
            f"{self.alpha:g}*{MSSSIMSigmas.name}": self.evaluate(self._structure, prediction, target),
            f"{1 - self.alpha:g}*gaussian_l1": self.evaluate(self._pixels, prediction, target),
        }

    def _structure(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.alpha * super().per_image(prediction, target)

    def _pixels(self, prediction: Tensor, target: Tensor) -> Tensor:
        error = self.average((prediction - target).abs(), self.SIGMAS[-1])
        return (1 - self.alpha) * error.flatten(1).mean(1)


def _one_minus_product(factors: list[Tensor], weights: list[float]) -> Tensor:
    """1 - product of factors^weights; see `MSSSIM` for negative factors."""
    product, excess = torch.ones_like(factors[0]), torch.zeros_like(factors[0])
    for factor, weight in zip(factors, weights, strict=True):
        positive = factor > 0
        product = product * torch.where(positive, factor, 1).pow(weight) * positive
        excess = excess + weight * F.relu(-factor)
    return 1 - product + excess


def _halve(pictures: Tensor) -> Tensor:
    height, width = pictures.shape[-2:]
    return F.avg_pool2d(F.pad(pictures, (0, width % 2, 0, height % 2), mode="replicate"), 2)


def _check_window(name: str, window: int, sigma: float) -> None:
    if window < 1 or window % 2 == 0:
        raise LossmithError(f"{name}: window must be an odd number of pixels, not {window}")
    if not sigma > 0:
        raise LossmithError(f"{name}: sigma must be above 0, not {sigma}")
