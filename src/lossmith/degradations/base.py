"""What every degradation is."""

import numpy as np
from torch import Tensor

from lossmith.degradations.checks import check_clean
from lossmith.errors import LossmithError
from lossmith.expressions import Spelled


class Degradation(Spelled):
    """The damage done to a clean picture: a pure function of the picture and of `rng`.

    `degradation(clean)` takes a float tensor (3, H, W), RGB in [0, 1], with H and W multiples of `scale`, and
    gives (3, H / scale, W / scale). Random ones (`random` is true) draw from `rng`, a NumPy generator; the
    others ignore it. `str()` gives the expression back. A subclass implements `degrade`, which may rely on
    checked arguments.

    Raises LossmithError for a picture of another shape or type, and for a random degradation without `rng`.
    """

    scale: int = 1
    """By how much the picture shrinks; H and W must be multiples of it."""
    random: bool = False
    """Whether `rng` is drawn from, so that every call may differ."""

    @property
    def margin(self) -> int:
        """How many pixels of the clean picture next to a cut edge may degrade differently from the whole."""
        return 0

    @property
    def alignment(self) -> int:
        """The grid on which a crop's corner must lie for the crop to degrade as the whole picture does.

        >>> from lossmith.degradations import degradation
        >>> [(degradation(d).margin, degradation(d).alignment) for d in ("noise(5)", "jpeg(10)", "mosaic")]
        [(0, 1), (16, 16), (2, 2)]
        """
        return self.scale

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        """The degraded picture, for a checked `clean` and an `rng` that is there when `random` is true."""
        raise NotImplementedError

    def split(self) -> tuple["Degradation | None", "Degradation | None"]:
        """What can be done once and for all, and the rest that must be drawn anew each time."""
        return (None, self) if self.random else (self, None)

    def __call__(self, clean: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        check_clean(self.name, clean, self.scale)
        if self.random and not isinstance(rng, np.random.Generator):
            raise LossmithError(f"{self.name}: draws random numbers, so it needs rng, a numpy.random.Generator")
        return self.degrade(clean, rng)
