"""The degradations of denoising: white Gaussian noise, sensor noise, and photon noise."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.degradations.base import Degradation
from lossmith.degradations.checks import check_bool, check_choice, check_nonnegative, range_ends
from lossmith.expressions import Range

MAX_PHOTONS = 1e12
"""Per pixel, in `Poisson`; the noise of more is below the precision of an image."""


@dataclass(frozen=True)
class Noise(Degradation):
    """Add white Gaussian noise of standard deviation `sigma`, on 0-255 as papers quote it, or of the range.

    Nothing is clipped, so values leave [0, 1], as in the classical denoising test.

    Parameters
    ----------
    sigma
        Standard deviation, or a range.
    of
        The scale of `sigma`: "8bit", 0 to 255, for 8-bit images only; or "range", where the range of the images'
        values, whatever it is, counts as 1.
    gray
        Add the same noise to the three channels, as is always done for gray images.

    Examples
    --------
    >>> flat = torch.full((3, 200, 200), 0.5)
    >>> round(float((Noise(25)(flat, np.random.default_rng(0)) - flat).std() * 255))
    25
    >>> str(Noise(0.02, of="range"))
    'noise(0.02, of=range)'
    """

    name: ClassVar[str] = "noise"
    sigma: float | Range | tuple[float, float]
    of: str = field(default="8bit", kw_only=True)
    gray: bool = field(default=False, kw_only=True)

    @property
    def random(self) -> bool:
        return True

    def __post_init__(self) -> None:
        self._pairs_to_ranges()
        check_nonnegative(self.name, "sigma", self.sigma)
        check_choice(self.name, "of", self.of, ("8bit", "range"))
        check_bool(self.name, "gray", self.gray)

    def for_gray(self) -> Degradation:
        return self._with({"gray": True})

    def for_pixels(self, pixels: PixelFormat) -> Degradation:
        if self.of == "8bit" and not pixels.is_8bit:
            shares = [float(f"{float(end) / 255:.3g}") for end in range_ends(self.sigma)]  # type: ignore[arg-type]
            sigma = Range(*shares) if len(shares) == 2 else shares[0]
            raise LossmithError(
                f"{self}: sigma on the scale 0 to 255 is for 8-bit images, and these are {pixels}; for the same "
                f"share of their range write {replace(self, sigma=sigma, of='range')}"
            )
        return super().for_pixels(pixels)

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert isinstance(self.sigma, int | float)  # every call draws from ranges
        share = self.sigma if self.of == "range" else self.sigma / 255
        return clean + share * _white(clean, rng, self.gray)


@dataclass(frozen=True)
class ShotNoise(Degradation):
    """Add sensor noise: Gaussian, of variance `a * intensity + b`, for intensities in [0, 1].

    The heteroskedastic normal approximation of photon (a) plus read-out (b) noise, on the scale of the images'
    range. Nothing is clipped; a negative intensity counts as 0. Noise is independent from pixel to pixel and from
    channel to channel, so `shot_noise | mosaic` is exactly a Bayer sensor with noisy raw samples. With the
    defaults it has a PSNR of 28.2 dB on McMaster, which is where Zhao et al., "Loss functions for image
    restoration with neural networks", 2017, began on their images.

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

    def for_gray(self) -> Degradation:
        return self._with({"gray": True})

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert isinstance(self.a, int | float)  # every call draws from ranges
        assert isinstance(self.b, int | float)
        return clean + (self.a * clean.clamp(min=0) + self.b).sqrt() * _white(clean, rng, self.gray)


@dataclass(frozen=True)
class Poisson(Degradation):
    """Count photons: an intensity becomes a Poisson number of mean `photons * intensity`, divided by `photons`.

    The intensity is 0 at the low end of the images' range and 1 at its high end, which may be exceeded. What is
    below the range has no photons and stays. Pixels and channels are independent.

    Parameters
    ----------
    photons
        How many a pixel receives on average at the high end of the range, above 0, at most 1e12; or a range.
    gray
        Count the photons of the first channel for all, as is done for gray images, whose channels are equal.

    Examples
    --------
    >>> flat = torch.full((3, 200, 200), 0.5)
    >>> round(float(Poisson(50)(flat, np.random.default_rng(0)).var()), 3)
    0.01
    """

    name: ClassVar[str] = "poisson"
    photons: float | Range | tuple[float, float]
    gray: bool = field(default=False, kw_only=True)

    @property
    def random(self) -> bool:
        return True

    def __post_init__(self) -> None:
        self._pairs_to_ranges()
        check_nonnegative(self.name, "photons", self.photons)
        for end in range_ends(self.photons):
            if not 0 < end <= MAX_PHOTONS:  # type: ignore[operator]
                raise LossmithError(f"poisson: photons must be above 0 and at most {MAX_PHOTONS:g}, not {end:g}")
        check_bool(self.name, "gray", self.gray)

    def for_gray(self) -> Degradation:
        return self._with({"gray": True})

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        assert isinstance(self.photons, int | float)  # every call draws from ranges
        assert rng is not None
        exact = clean.detach().cpu().double()
        means = exact[: 1 if self.gray else None].clamp(min=0) * self.photons
        counts = torch.from_numpy(rng.poisson(means.numpy()))
        return (counts / self.photons + exact.clamp(max=0)).to(clean)


def _white(like: Tensor, rng: np.random.Generator | None, gray: bool) -> Tensor:
    assert rng is not None  # __call__ checks it; this is for the type checker
    channels = 1 if gray else like.shape[0]
    return torch.from_numpy(rng.standard_normal((channels, *like.shape[1:]), dtype=np.float32)).to(like)
