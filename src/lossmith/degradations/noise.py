"""The degradations of denoising: white Gaussian noise, and sensor noise."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lossmith.degradations.base import Degradation
from lossmith.degradations.checks import check_bool, check_nonnegative
from lossmith.expressions import Range


@dataclass(frozen=True)
class Noise(Degradation):
    """Add white Gaussian noise of standard deviation `sigma`, on 0-255 as papers quote it.

    Nothing is clipped, so values leave [0, 1], as in the classical denoising test.

    Parameters
    ----------
    sigma
        Standard deviation on the scale 0 to 255, or a range.
    gray
        Add the same noise to the three channels, as is always done for gray images.

    Examples
    --------
    >>> flat = torch.full((3, 200, 200), 0.5)
    >>> round(float((Noise(25)(flat, np.random.default_rng(0)) - flat).std() * 255))
    25
    """

    name: ClassVar[str] = "noise"
    sigma: float | Range | tuple[float, float]
    gray: bool = field(default=False, kw_only=True)

    @property
    def random(self) -> bool:
        return True

    def __post_init__(self) -> None:
        self._pairs_to_ranges()
        check_nonnegative(self.name, "sigma", self.sigma)
        check_bool(self.name, "gray", self.gray)

    def for_gray(self) -> "Noise":
        return replace(self, gray=True)

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert isinstance(self.sigma, int | float)  # every call draws from ranges
        return clean + self.sigma / 255 * _white(clean, rng, self.gray)


@dataclass(frozen=True)
class ShotNoise(Degradation):
    """Add sensor noise: Gaussian, of variance `a * intensity + b`, for intensities in [0, 1].

    The heteroskedastic normal approximation of photon (a) plus read-out (b) noise. Nothing is clipped; a negative
    intensity counts as 0. Noise is independent from pixel to pixel and from channel to channel, so `shot_noise |
    mosaic` is exactly a Bayer sensor with noisy raw samples. With the defaults it has a PSNR of 28.2 dB on
    McMaster, which is where Zhao et al., "Loss functions for image restoration with neural networks", 2017, began
    on their images.

    Source: Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", 2008,
    equation 4.

    Parameters
    ----------
    a
        Photon noise: variance per intensity, or a range.
    b
        Read-out noise: variance at intensity 0, or a range.
    gray
        Add the same white noise to the three channels, as is always done for gray images. After `mosaic`, which
        keeps one channel per pixel, this makes no difference.

    Examples
    --------
    >>> flat = torch.full((3, 200, 200), 0.5)
    >>> round(float((ShotNoise(0.02, 0)(flat, np.random.default_rng(0)) - flat).var()), 3)
    0.01
    """

    name: ClassVar[str] = "shot_noise"
    a: float | Range | tuple[float, float] = 0.004
    b: float | Range | tuple[float, float] = 0.0001
    gray: bool = field(default=False, kw_only=True)

    @property
    def random(self) -> bool:
        return True

    def __post_init__(self) -> None:
        self._pairs_to_ranges()
        check_nonnegative(self.name, "a", self.a)
        check_nonnegative(self.name, "b", self.b)
        check_bool(self.name, "gray", self.gray)

    def for_gray(self) -> "ShotNoise":
        return replace(self, gray=True)

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert isinstance(self.a, int | float)  # every call draws from ranges
        assert isinstance(self.b, int | float)
        return clean + (self.a * clean.clamp(min=0) + self.b).sqrt() * _white(clean, rng, self.gray)


def _white(like: Tensor, rng: np.random.Generator | None, gray: bool) -> Tensor:
    assert rng is not None  # __call__ checks it; this is for the type checker
    channels = 1 if gray else like.shape[0]
    return torch.from_numpy(rng.standard_normal((channels, *like.shape[1:]), dtype=np.float32)).to(like)
