"""What every degradation is."""

from typing import ClassVar

import numpy as np
from torch import Tensor

from lossmith.expressions import Spelled


class Degradation(Spelled):
    """The damage done to a clean picture: a pure function of the picture and of `rng`.

    Pictures are float tensors (3, H, W), RGB in [0, 1]. `str()` gives the expression back.
    """

    name: ClassVar[str]
    scale: int = 1
    """By how much the picture shrinks; H and W must be multiples of it."""
    random: ClassVar[bool] = False
    """Whether `rng` is drawn from, so that every call may differ."""

    def __call__(self, clean: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        raise NotImplementedError
