"""MS-SSIM over Gaussians of several widths, and its mix with L1, both by Zhao et al."""

import math
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.legacy import LOSS_FORMS
from lossmith.losses.structural.autograd import per_plane
from lossmith.losses.structural.filtering import center_weights, local_means, mean_weights, weighted_mean
from lossmith.losses.structural.formulas import Gaussian, SSIMSpec
from lossmith.losses.structural.single_scale import (
    MeanDissimilarity,
    central_dissimilarity,
    dissimilarity_map,
)
from lossmith.losses.structural.ssim import SSIMBase, option_value, parse_numbers

FORMS = ("dense", "center")


class MSSSIMSigmasLoss(SSIMBase):
    """1 - MS-SSIM with five Gaussians on the full-size image instead of a pyramid.

    With the factors l and cs of SSIM, for every channel

        MS-SSIM(x, y) = l under the widest Gaussian  x  product of cs under every Gaussian

    Parameters
    ----------
    form
        "dense" takes it at every pixel and averages: windows are cut off at the border of the image and their
        weights rescaled, so that any size works. "center" takes it once per channel, as published, at the middle
        pixel of a patch with odd sides, under Gaussians as large as the patch. The dense form gives the same at
        the middle, if `window` covers the patch.
    window
        The largest side of a window of the dense form in pixels, odd.
    sigmas
        The standard deviations in pixels, rising, as a sequence or as text ("1 2 4"). By default 0.5, 1, 2, 4, 8.
    k1, k2, data_range
        See `SSIMLoss`.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        For an unknown form, an even window, sigmas that do not rise, and numbers that are not above 0; when
        called, for even sides with the form "center".

    References
    ----------
    Zhao, Gallo, Frosio, Kautz, Loss functions for image restoration with neural networks, IEEE TCI 3(1), 2017,
    equations 8 to 11, and its published code.
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
        form = LOSS_FORMS.get(form, form)
        if form not in FORMS:
            raise LossmithError(f"{self.name}: form must be {' or '.join(map(repr, FORMS))}, not '{form}'")
        self.deviations = self.SIGMAS if sigmas is None else parse_numbers(self.name, "sigmas", sigmas)
        if list(self.deviations) != sorted(set(self.deviations)):
            raise LossmithError(f"{self.name}: sigmas must rise, not {self.deviations}")
        self.form, self.sigmas = form, option_value(sigmas, self.deviations)
        if form == "center":
            self.kind = "perceptual"  # what is far from the center counts less

    def loss_map(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of each channel at each position: (N, C, H, W) dense, (N, C, 1, 1) at the center.

        Both images are (N, C, H, W); the map is differentiable by the prediction.
        """
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
        reaches = [
            min(self.window // 2, math.ceil(8 * sigma)) for sigma in self.deviations
        ]  # weights beyond are below 1e-14
        windows = tuple(
            Gaussian(sigma, 2 * reach + 1) for sigma, reach in zip(self.deviations, reaches, strict=True)
        )
        return SSIMSpec(windows, self.constants, same=True)


class MixLoss(MSSSIMSigmasLoss):
    """alpha (1 - MS-SSIM) + (1 - alpha) L1, with MS-SSIM of `MSSSIMSigmasLoss` and L1 under the widest Gaussian.

    The L1 error is the mean of the Gaussian-weighted |prediction - target| / data_range. There is no further
    factor; some ports multiply by 200.

    Parameters
    ----------
    alpha
        The weight of MS-SSIM, 0 to 1: 0.84 in the paper. The authors' published code has 0.025, nearly pure L1,
        which no rescaling explains; it has the name `mix_pl4nn` here, after their repository.
    form, window, sigmas
        See `MSSSIMSigmasLoss`.
    k1, k2, data_range
        See `SSIMLoss`.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        As `MSSSIMSigmasLoss` does, and for an alpha outside [0, 1].

    References
    ----------
    Zhao, Gallo, Frosio, Kautz, Loss functions for image restoration with neural networks, IEEE TCI 3(1), 2017,
    equation 12.
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
        """The Gaussian-weighted L1 error. The mean of local means has fixed weights, so nothing is filtered."""
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


__all__ = ["MSSSIMSigmasLoss", "MixLoss"]
