"""Denoising's damage: white noise, and the noise of a sensor."""

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

    Nothing is clipped, so values leave [0, 1], as in the classical denoising test. With `gray` the three channels
    get the same noise, as gray images always do.

    >>> flat = torch.full((3, 200, 200), 0.5)
    >>> round(float((Noise(25)(flat, np.random.default_rng(0)) - flat).std() * 255))
    25
    """

    name: ClassVar[str] = "noise"
    sigma: float | Range
    gray: bool = field(default=False, kw_only=True)

    @property
    def random(self) -> bool:
        return True

    def __post_init__(self) -> None:
        check_nonnegative(self.name, "sigma", self.sigma)
        check_bool(self.name, "gray", self.gray)

    def for_gray(self) -> "Noise":
        return replace(self, gray=True)

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert not isinstance(self.sigma, Range)
        return clean + self.sigma / 255 * _white(clean, rng, self.gray)


@dataclass(frozen=True)
class ShotNoise(Degradation):
    """Add the noise of a sensor: Gaussian, with variance `a * intensity + b`; intensity in [0, 1].

    The heteroskedastic normal approximation of photon (a) plus read-out (b) noise: Foi et al., "Practical
    Poissonian-Gaussian noise modeling and fitting for single-image raw-data", 2008, eq. 4. Nothing is clipped;
    a negative intensity counts as 0. Noise is independent from pixel to pixel and channel to channel, so
    `shot_noise | mosaic` is exactly a mosaic sensor whose raw samples are noisy. With `gray` the three channels
    get the same white noise, as gray images always do; a mosaic, which sees one of them a pixel, cannot tell.

    With the defaults, `shot_noise | mosaic` leaves McMaster at a PSNR of 28.2 dB, which is where Zhao et al.,
    "Loss functions for image restoration with neural networks", 2017, started from on their images.

    >>> flat = torch.full((3, 200, 200), 0.5)
    >>> round(float((ShotNoise(0.02, 0)(flat, np.random.default_rng(0)) - flat).var()), 3)
    0.01
    """

    name: ClassVar[str] = "shot_noise"
    a: float | Range = 0.004
    b: float | Range = 0.0001
    gray: bool = field(default=False, kw_only=True)

    @property
    def random(self) -> bool:
        return True

    def __post_init__(self) -> None:
        check_nonnegative(self.name, "a", self.a)
        check_nonnegative(self.name, "b", self.b)
        check_bool(self.name, "gray", self.gray)

    def for_gray(self) -> "ShotNoise":
        return replace(self, gray=True)

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert not isinstance(self.a, Range)
        assert not isinstance(self.b, Range)
        return clean + (self.a * clean.clamp(min=0) + self.b).sqrt() * _white(clean, rng, self.gray)


def _white(like: Tensor, rng: np.random.Generator | None, gray: bool) -> Tensor:
    assert rng is not None  # __call__ has refused its absence; this tells the type checker
    channels = 1 if gray else like.shape[0]
    return torch.from_numpy(rng.standard_normal((channels, *like.shape[1:]), dtype=np.float32)).to(like)
