"""The base class of degradations."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.core.quantize import from_8bit, to_8bit
from lossmith.degradations.checks import as_range, check_clean
from lossmith.expressions import HasExpression, Range

LEVELS = {"low": 0.0, "middle": 0.5, "high": 1.0}
"""Where in its ranges a degradation is tested, from their low ends (0) to their high ends (1)."""


class Degradation(HasExpression):
    """Base class of degradations: pure functions of a clean image and a random generator.

    `degradation(clean, rng)` takes a float tensor (3, H, W), RGB in [0, 1], with H and W multiples of `scale`, and
    returns (3, H / scale, W / scale). Random degradations (`random` is true) draw from `rng`, a NumPy generator;
    the others ignore it. `str()` returns the expression. For images that are not 8-bit RGB, `for_pixels` returns
    the degradation that takes (C, H, W) on the scale of their range.

    A subclass implements `degrade`, which gets checked arguments. A parameter may be a `Range`, or a pair (low,
    high) in Python: every call then draws a number from it before `degrade` is called.

    Raises LossmithError for an image of another shape or type, and for a random degradation without `rng`.
    """

    scale: int = 1
    """The factor by which the image shrinks; H and W must be multiples of it."""
    pixels: PixelFormat = RGB_8BIT
    """The format of the images that are degraded; `for_pixels` changes it."""
    keeps_gray: ClassVar[bool] = True
    """Whether three equal channels stay equal under the degradation that `for_gray` returns."""
    integer_parameters: ClassVar[frozenset[str]] = frozenset()
    """The parameters whose ranges hold integers only."""

    @property
    def random(self) -> bool:
        """Whether calls draw from `rng`, so that they differ."""
        return self.has_ranges

    @property
    def has_ranges(self) -> bool:
        """Whether a parameter is a range, from which every call draws a number."""
        return bool(self._ranges)

    def at(self, position: Callable[[], float]) -> "Degradation":
        """The degradation with a number for each range: its low end at `position()` 0, its high end at 1.

        >>> from lossmith.degradations import degradation
        >>> str(degradation("noise(0..50) | jpeg(30..95)").at(lambda: 0.5))
        'noise(25) | jpeg(63)'
        """
        return self._with(self._numbers_at(position))

    def _numbers_at(self, position: Callable[[], float]) -> dict[str, float]:
        integers = self.integer_parameters
        return {key: r.at(position(), whole=key in integers) for key, r in self._ranges.items()}

    @property
    def _parameters(self) -> Mapping[str, Any]:
        return vars(self)

    @property
    def _ranges(self) -> dict[str, Range]:
        return {key: value for key, value in self._parameters.items() if isinstance(value, Range)}

    def _with(self, attributes: Mapping[str, Any]) -> Self:
        degradation = copy(self)
        vars(degradation).update(attributes)
        return degradation

    def _pairs_to_ranges(self) -> None:
        """Turn parameters that were given as (low, high) into ranges."""
        for key, value in vars(self).items():
            if isinstance(value, tuple):
                object.__setattr__(self, key, as_range(self.name, key, value))

    @property
    def levels(self) -> dict[str, "Degradation"]:
        """The degradations of a test: at the low ends, the middles and the high ends of the ranges, by name.

        One that changes nothing, such as noise(0), is left out, as there is nothing to restore. Without ranges
        there is only the degradation itself, under the name "".
        """
        if not self.has_ranges:
            return {"": self}
        levels = {name: self.at(lambda x=x: x) for name, x in LEVELS.items()}  # type: ignore[misc]
        return {name: level for name, level in levels.items() if _alters_images(level)} or levels

    @property
    def margin(self) -> int:
        """Width of the border, in clean pixels, in which a crop may degrade unlike the whole image."""
        return 0

    @property
    def alignment(self) -> int:
        """The grid, in pixels, on which a crop must begin to degrade like the whole image.

        >>> from lossmith.degradations import degradation
        >>> [(degradation(d).margin, degradation(d).alignment) for d in ("noise(5)", "jpeg(10)", "mosaic")]
        [(0, 1), (16, 16), (2, 2)]
        """
        return self.scale

    def for_gray(self) -> "Degradation":
        """The same degradation for gray images, whose three channels are equal: its noise is gray.

        >>> from lossmith.degradations import degradation
        >>> str(degradation("bicubic(2) | noise(5)").for_gray())
        'bicubic(2) | noise(5, gray=true)'
        """
        return self

    def for_pixels(self, pixels: PixelFormat) -> "Degradation":
        """The same degradation, of the same expression, for images of another format.

        Nothing is rounded to 8 bits or clipped on the way unless the images have 8 bits. Raises LossmithError
        where the degradation means nothing for such images.

        >>> from lossmith.degradations import degradation
        >>> deep = PixelFormat.full_range(1, "uint16")
        >>> degradation("bicubic(2)").for_pixels(deep)(torch.rand(1, 8, 6)).shape
        torch.Size([1, 4, 3])
        """
        return self if pixels == self.pixels else self._with({"pixels": pixels})

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        """The degraded image, (C, H / scale, W / scale); `clean` is checked, and `rng` given if `random`."""
        raise NotImplementedError

    def split_deterministic(self) -> tuple["Degradation | None", "Degradation | None"]:
        """The deterministic part, applied once per image, and the random part, drawn for every patch."""
        return (None, self) if self.random else (self, None)

    def __call__(self, clean: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        check_clean(self.name, clean, self.scale, self.pixels.channels)
        if self.random and not isinstance(rng, np.random.Generator):
            raise LossmithError(f"{self.name}: draws random numbers, so it needs rng, a numpy.random.Generator")
        degradation = self.at(rng.random) if self.has_ranges and rng is not None else self
        return degradation.degrade(clean, rng)


def _alters_images(degradation: Degradation) -> bool:
    """Whether the degradation changes an image by at least the rounding to 8 bits, where it has 8 bits."""
    pixels, rng = degradation.pixels, np.random.default_rng(0)
    image = from_8bit(torch.from_numpy(rng.integers(0, 256, (pixels.channels, 64, 64), dtype=np.uint8)))
    degraded = degradation(image, rng)
    if pixels.is_8bit:
        degraded = from_8bit(to_8bit(degraded))
    return degradation.scale > 1 or not torch.equal(degraded, image)
