"""Structural similarity: SSIM, MS-SSIM over a pyramid, MS-SSIM over Gaussians, and the mix with L1.

All compare each color channel with itself and average over channels, so a permutation of the channels changes
nothing. Variances are population variances. The constants are (k1 L)^2 and (k2 L)^2, with the range L.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.base import Loss
from lossmith.losses.structural.autograd import Measure, per_plane, reduce_all
from lossmith.losses.structural.filtering import center_weights, local_means, mean_weights, weighted_mean
from lossmith.losses.structural.formulas import Constants, Gaussian, SSIMSpec
from lossmith.losses.structural.multi_scale import MultiScale
from lossmith.losses.structural.single_scale import (
    MeanDissimilarity,
    central_dissimilarity,
    dissimilarity_map,
)

PADDINGS = ("valid", "same", "reflect")


class _SSIMBase(Loss):
    """What all of them have: a window, and the constants for a range of values."""

    def __init__(self, window: int, k1: float, k2: float, data_range: float, reduction: str) -> None:
        super().__init__(reduction)
        if window < 1 or window % 2 == 0:
            raise LossmithError(f"{self.name}: window must be an odd number of pixels, not {window}")
        for option, number in {"k1": k1, "k2": k2, "data_range": data_range}.items():
            _check_positive(self.name, option, number)
        self.window, self.k1, self.k2, self.data_range = window, k1, k2, data_range

    @property
    def constants(self) -> Constants:
        return Constants(self.k1, self.k2, self.data_range)


class SSIMLoss(_SSIMBase):
    """1 - SSIM: local luminance, contrast and structure under an 11x11 Gaussian window of sigma 1.5.

    `padding` says what is done at the border. "valid" (the default) compares where the whole window is inside the
    image, as the authors' code and scikit-image's `gaussian_weights=True, use_sample_covariance=False` do. The
    other two compare at every pixel: "same" by the part of the window that is inside, "reflect" by a mirrored
    image, which counts the border twice. `data_range` is the value of white, 1 here and 255 for bytes.

    Source: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004.

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
        _check_positive(self.name, "sigma", sigma)
        self.sigma, self.padding = sigma, padding
        self.min_side = {"valid": window, "same": 1, "reflect": window // 2 + 1}[padding]

    def loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        """1 - SSIM at every position: (N, C, H - window + 1, W - window + 1), or (N, C, H, W) with padding."""
        return self.evaluate_map(self._loss_map, prediction, target)

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        padded = self._pad(prediction), self._pad(target)
        return prediction.shape[0] * per_plane(*padded, self._measure()).sum(1)

    def mean(self, prediction: Tensor, target: Tensor) -> Tensor:
        if type(self).per_image is not SSIMLoss.per_image:  # what is derived from this one
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

    The product over scales of (mean cs)^weight, with the luminance at the coarsest scale only, per channel.
    Halving is the mean of 2x2 pixels; at odd sizes the last row or column is repeated, as in the authors' code.
    Needs 161 x 161 pixels; `levels` below 5 drops coarse scales (4: 81, 3: 41, 2: 21 pixels) and rescales the
    weights to sum to 1, for training on small patches. `weights` are numbers of your own, finest scale first, as
    a sequence or as text ("0.3 0.3 0.4"), one for each level, taken as they are.

    A mean cs can be negative where images are anti-correlated; its fractional power does not exist, and the
    usual clamp to 0 leaves no gradient. Here MS-SSIM is 0 then, and the loss grows beyond 1 by
    weight x |mean cs|, so training finds its way out. Wherever every factor is positive this is the standard.

    Source: Wang, Simoncelli, Bovik, Asilomar 2003.
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
            first = self.WEIGHTS[:levels]
            total = 1.0 if levels == len(self.WEIGHTS) else sum(first)  # the five sum to 1.0001
            self.exponents = tuple(weight / total for weight in first)
        else:
            self.exponents = _numbers(self.name, "weights", weights)
            if levels != len(self.exponents):
                raise LossmithError(f"ms_ssim: {len(self.exponents)} weights cannot serve {levels} levels")
        self.levels, self.weights = levels, _kept(weights, self.exponents)
        self.min_side = (self.min_side - 1) * 2 ** (levels - 1) + 1

    def loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        """There is none: the product is of means over the image."""
        raise LossmithError("ms_ssim is a product of means over the image and has no map; ssim has one")

    def _measure(self) -> Measure:
        return MultiScale(self._spec(), self.exponents, self.window // 2 if self.padding == "reflect" else 0)

    def _pad(self, image: Tensor) -> Tensor:
        return image  # every scale is padded by itself


class MSSSIMSigmasLoss(_SSIMBase):
    """1 - MS-SSIM with five Gaussians on the full-size image instead of a pyramid.

    l of the widest Gaussian times the product of cs under every Gaussian, all exponents 1, for each channel.

    - `form="dense"`: at every pixel, then the mean. The 33x33 window is cut off at the border of the image and
      its weights rescaled, so any size works and no pixel is invented.
    - `form="centre"`: as published, once per channel at the middle pixel of the patch, under Gaussians as large
      as the whole patch; sides must be odd. It is the dense form read at the middle, if `window` covers the patch.

    `sigmas` are numbers of your own that rise, as a sequence or as text ("1 2 4").

    Source: Zhao, Gallo, Frosio, Kautz, IEEE TCI 3(1), 2017, equations 8 to 11, and its published code.
    """

    name = "ms_ssim_sigmas"
    formula = "1 - luminance (sigma 8) x contrast-structure under sigmas 0.5, 1, 2, 4, 8, at full size"
    bounds = "0 to 2"
    source = "Zhao et al. 2017"
    SIGMAS: ClassVar[tuple[float, ...]] = (0.5, 1.0, 2.0, 4.0, 8.0)

    def __init__(
        self,
        form: str = "dense",
        window: int = 33,
        sigmas: str | Sequence[float] | None = None,
        k1: float = 0.01,
        k2: float = 0.03,
        data_range: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(window, k1, k2, data_range, reduction)
        if form not in ("dense", "centre"):
            raise LossmithError(f"{self.name}: form must be 'dense' or 'centre', not '{form}'")
        self.deviations = self.SIGMAS if sigmas is None else _numbers(self.name, "sigmas", sigmas)
        if list(self.deviations) != sorted(set(self.deviations)):
            raise LossmithError(f"{self.name}: sigmas must rise, not {self.deviations}")
        self.form, self.sigmas = form, _kept(sigmas, self.deviations)

    def loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss per channel and position: (N, C, H, W) dense, (N, C, 1, 1) at the center."""
        return self.evaluate_map(self._loss_map, prediction, target)

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        if self.form == "dense":
            return prediction.shape[0] * per_plane(prediction, target, MeanDissimilarity(self._spec())).sum(1)
        return self._structure_map(prediction, target).flatten(1).mean(1)

    def _loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self._structure_map(prediction, target)

    def _structure_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        if self.form == "dense":
            return dissimilarity_map(prediction, target, self._spec())
        height, width = prediction.shape[-2:]
        if height % 2 == 0 or width % 2 == 0:
            raise LossmithError(f"{self}: the patch needs odd sides to have a center, not {height} x {width}")
        return central_dissimilarity(prediction, target, self._spec())

    def _spec(self) -> SSIMSpec:
        reaches = [min(self.window // 2, math.ceil(8 * sigma)) for sigma in self.deviations]  # beyond: below 1e-14
        windows = tuple(
            Gaussian(sigma, 2 * reach + 1) for sigma, reach in zip(self.deviations, reaches, strict=True)
        )
        return SSIMSpec(windows, self.constants, same=True)


class MixLoss(MSSSIMSigmasLoss):
    """alpha (1 - MS-SSIM) + (1 - alpha) times the L1 error under the widest Gaussian.

    MS-SSIM is `ms_ssim_sigmas`. The paper's alpha is 0.84 (the default); the authors' published code has 0.025,
    which is nearly pure L1, and is here under the name `mix_pl4nn` after their repository. No rescaling explains
    the gap. There is no further factor (some ports multiply by 200). The L1 error is a fraction of `data_range`.

    Source: Zhao, Gallo, Frosio, Kautz, IEEE TCI 3(1), 2017, equation 12.
    """

    name = "mix"
    formula = "alpha x ms_ssim_sigmas + (1 - alpha) x mean of Gaussian-weighted |prediction - target|"
    bounds = "0 and up"

    def __init__(
        self,
        alpha: float = 0.84,
        form: str = "dense",
        window: int = 33,
        sigmas: str | Sequence[float] | None = None,
        k1: float = 0.01,
        k2: float = 0.03,
        data_range: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(form, window, sigmas, k1, k2, data_range, reduction)
        if not 0 <= alpha <= 1:
            raise LossmithError(f"mix: alpha must be 0 to 1, not {alpha}")
        self.alpha = alpha

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self._structure(prediction, target) + self._pixels(prediction, target)

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {
            f"{self.alpha:g}*{MSSSIMSigmasLoss.name}": self.evaluate(self._structure, prediction, target),
            f"{1 - self.alpha:g}*gaussian_l1": self.evaluate(self._pixels, prediction, target),
        }

    def _structure(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.alpha * super().per_image(prediction, target)

    def _pixels(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The mean of local means is a mean with fixed weights, so nothing is filtered."""
        error, widest = (prediction - target).abs() / self.data_range, self._spec().windows[-1]
        if self.form == "dense":
            return (1 - self.alpha) * weighted_mean(error, *mean_weights(widest, error)).mean(1)
        return (1 - self.alpha) * weighted_mean(error, *center_weights(widest.sigma, error)).mean(1)

    def _loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        error, widest = (prediction - target).abs() / self.data_range, self._spec().windows[-1]
        if self.form == "dense":
            blurred = local_means(error, widest)
        else:
            blurred = weighted_mean(error, *center_weights(widest.sigma, error))[..., None, None]
        return self.alpha * self._structure_map(prediction, target) + (1 - self.alpha) * blurred


def _check_positive(name: str, option: str, number: float) -> None:
    if not 0 < number < math.inf:
        raise LossmithError(f"{name}: {option} must be above 0, not {number}")


def _kept(given: str | Sequence[float] | None, numbers: tuple[float, ...]) -> str | tuple[float, ...] | None:
    """The option as it was given, but for what compares and spells in ways of its own, as arrays do."""
    return given if given is None or isinstance(given, str) else numbers


def _numbers(name: str, option: str, given: str | Sequence[float]) -> tuple[float, ...]:
    """Numbers above 0, given as such or as text between spaces."""
    try:
        numbers = tuple(float(part) for part in (given.split() if isinstance(given, str) else given))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers:
        raise LossmithError(f"{name}: {option} must be numbers between spaces, such as \"1 2 4\", not '{given}'")
    for number in numbers:
        _check_positive(name, option, number)
    return numbers
