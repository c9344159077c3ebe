"""What every degradation is."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.quantize import from_8bit, to_8bit
from lossmith.degradations.checks import check_clean
from lossmith.expressions import HasExpression, Range

LEVELS = {"low": 0.0, "middle": 0.5, "high": 1.0}
"""Where in its ranges a damage is tested, as shares of the way from their low ends to their high ones."""


class Degradation(HasExpression):
    """The damage done to a clean image: a pure function of the image and of `rng`.

    `degradation(clean)` takes a float tensor (3, H, W), RGB in [0, 1], with H and W multiples of `scale`, and
    gives (3, H / scale, W / scale). Random ones (`random` is true) draw from `rng`, a NumPy generator; the
    others ignore it. `str()` gives the expression back. A subclass implements `degrade`, which may rely on
    checked arguments, and on numbers where ranges were given: every call draws them first.

    Raises LossmithError for an image of another shape or type, and for a random degradation without `rng`.
    """

    scale: int = 1
    """By how much the image shrinks; H and W must be multiples of it."""
    keeps_gray: ClassVar[bool] = True
    """Whether of three equal channels it makes three equal ones, in the form that `for_gray` gives."""
    whole: ClassVar[frozenset[str]] = frozenset()
    """The parameters whose ranges hold whole numbers only."""

    @property
    def random(self) -> bool:
        """Whether `rng` is drawn from, so that every call may differ."""
        return self.ranged

    @property
    def ranged(self) -> bool:
        """Whether a parameter is a range, from which each call draws a number."""
        return bool(self._ranges)

    def at(self, share: Callable[[], float]) -> "Degradation":
        """Itself, with a number for each range: `share` says how far it is from the low end (0) to the high (1).

        >>> from lossmith.degradations import degradation
        >>> str(degradation("noise(0..50) | jpeg(30..95)").at(lambda: 0.5))
        'noise(25) | jpeg(63)'
        """
        numbers = {key: each.at(share(), whole=key in self.whole) for key, each in self._ranges.items()}
        return self._with(numbers)

    @property
    def _parameters(self) -> Mapping[str, Any]:
        return vars(self)

    @property
    def _ranges(self) -> dict[str, Range]:
        return {key: value for key, value in self._parameters.items() if isinstance(value, Range)}

    def _with(self, numbers: Mapping[str, float]) -> "Degradation":
        made = copy(self)
        vars(made).update(numbers)
        return made

    @property
    def levels(self) -> dict[str, "Degradation"]:
        """What an image is tested with: at the low ends, the middles and the high ends of the ranges.

        What changes nothing, as noise(0) does, is left out: there is nothing to restore. Without ranges it is the
        degradation itself, under the name "".
        """
        if not self.ranged:
            return {"": self}
        every = {name: self.at(lambda share=share: share) for name, share in LEVELS.items()}  # type: ignore[misc]
        return {name: damage for name, damage in every.items() if _alters_images(damage)} or every

    @property
    def margin(self) -> int:
        """How many pixels of the clean image next to a cut edge may degrade differently from the whole."""
        return 0

    @property
    def alignment(self) -> int:
        """The grid on which a crop's corner must lie for the crop to degrade as the whole image does.

        >>> from lossmith.degradations import degradation
        >>> [(degradation(d).margin, degradation(d).alignment) for d in ("noise(5)", "jpeg(10)", "mosaic")]
        [(0, 1), (16, 16), (2, 2)]
        """
        return self.scale

    def for_gray(self) -> "Degradation":
        """The same damage as it is done to a gray image, whose three channels are equal: noise is gray there.

        >>> from lossmith.degradations import degradation
        >>> str(degradation("bicubic(2) | noise(5)").for_gray())
        'bicubic(2) | noise(5, gray=true)'
        """
        return self

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        """The degraded image, for a checked `clean` and an `rng` that is there when `random` is true."""
        raise NotImplementedError

    def split_deterministic(self) -> tuple["Degradation | None", "Degradation | None"]:
        """What can be done once and for all, and the rest that must be drawn anew each time."""
        return (None, self) if self.random else (self, None)

    def __call__(self, clean: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        check_clean(self.name, clean, self.scale)
        if self.random and not isinstance(rng, np.random.Generator):
            raise LossmithError(f"{self.name}: draws random numbers, so it needs rng, a numpy.random.Generator")
        damage = self.at(rng.random) if self.ranged and rng is not None else self
        return damage.degrade(clean, rng)


def _alters_images(damage: Degradation) -> bool:
    """Whether it changes an image in 8 bits."""
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.integers(0, 256, (3, 64, 64), dtype=np.uint8))
    return damage.scale > 1 or not torch.equal(to_8bit(damage(from_8bit(image), rng)), image)
