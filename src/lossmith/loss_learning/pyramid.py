"""The image and its damage at every scale, coarse to fine."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.degradations import resize
from lossmith.loss_learning.recipe import RECEPTIVE_FIELD, LossRecipe
from lossmith.loss_learning.sample import DegradedSample
from lossmith.losses.mdf.discriminator import downscale, downscaled_side

NOISE_DRAWS = 6
"""How often random damage is drawn for the image at each scale; crops and flips make more of them."""

Crops = tuple[Tensor, Tensor, Tensor]
"""(clean, base, damaged), each (N, 3, h, w) in [-1, 1]."""


def scale_factors(height: int, width: int, recipe: LossRecipe) -> list[float]:
    """By how much every scale is smaller than the finest, coarsest first.

    >>> from lossmith.loss_learning.recipe import PUBLISHED
    >>> found = scale_factors(250, 250, PUBLISHED)
    >>> len(found), round(250 * found[0]), found[-1]
    (9, 25, 1.0)
    """
    side = min(height, width)
    coarser = round(math.log(recipe.min_side / side) / math.log(recipe.factor))
    powers = (recipe.factor**power for power in range(max(0, coarser), -1, -1))
    found = [factor for factor in powers if downscaled_side(side, factor) >= RECEPTIVE_FIELD]
    if not found:
        raise LossmithError(f"the image has {height}x{width} pixels at its finest scale, too few to learn from")
    return found


@dataclass(frozen=True)
class Scale:
    """What the two networks of one scale see; everything in [-1, 1]."""

    clean: Tensor
    """(3, H, W)."""
    base: Tensor
    """(D, 3, H, W): the enlarged results of the scale before, one for each draw of the damage."""
    degraded: Tensor
    """(D, 3, H, W): `base` with the error of the damage added."""

    def crops(self, recipe: LossRecipe, rng: np.random.Generator) -> Crops:
        """One step's crops, each with a draw of the damage and a flip of its own."""
        height, width = self.clean.shape[1:]
        tall, wide = (min(recipe.crop or side, side) for side in (height, width))
        cut = []
        for _ in range(recipe.batch):
            draw, flip = int(rng.integers(len(self.base))), int(rng.integers(4)) if recipe.crop else 0
            top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
            window = (..., slice(top, top + tall), slice(left, left + wide))
            turned = [axis for axis in (1, 2) if flip & axis]
            images = (self.clean, self.base[draw], self.degraded[draw])
            cut.append([image[window].flip(turned) for image in images])
        clean, base, degraded = (torch.stack(column) for column in zip(*cut, strict=True))
        return clean, base, degraded


class ImagePyramid:
    """Everything that is known before anything is learned: (3, H, W) images in [0, 1] and errors, by scale."""

    def __init__(self, sample: DegradedSample, recipe: LossRecipe, seed: int) -> None:
        longest = max(sample.clean.shape[1:])
        self.sample, self.recipe, self.seed = sample, recipe, seed
        self.finest = _shrunk(sample.clean, min(1.0, recipe.max_side / longest))
        self.scale_factors = scale_factors(self.finest.shape[1], self.finest.shape[2], recipe)

    @property
    def input_factors(self) -> list[float]:
        """By how much what each critic sees, as a part of the loss, is smaller than the image."""
        return self.scale_factors if self.recipe.input_scale == "scale" else [1.0] * len(self.scale_factors)

    def clean(self, scale: int) -> Tensor:
        return _shrunk(self.finest, self.scale_factors[scale])

    def errors(self, scale: int) -> Tensor:
        """(D, 3, H, W): the damage's errors as the critic of this scale will meet them in restored images.

        A critic that sees shrunk images learns from shrunk damage, one that sees full images from damage done
        to the small one. A draw is the same damage at all scales where it is shrunk.
        """
        return torch.stack(list(self._errors(scale)))

    def _errors(self, scale: int) -> Iterator[Tensor]:
        factor, clean = self.scale_factors[scale], self.clean(scale)
        for draw in range(NOISE_DRAWS if self.sample.random else 1):
            rng = np.random.Generator(np.random.Philox(key=self.seed, counter=draw << 128))
            if self.recipe.input_scale == "scale":
                yield _shrunk(self.sample.residual(self.finest, rng), factor)
            else:
                yield self.sample.residual(clean, rng)

    def scale(self, number: int, before: Tensor | None) -> Scale:
        """What is to be learned from at a scale; `before` are the results of the scale before, (D, 3, h, w).

        The coarsest begins as the others do, with an image that has lost its finest detail.
        """
        clean, errors = _signed(self.clean(number)), 2 * self.errors(number)
        if before is None:
            before = _shrunk(clean, self.recipe.factor)[None]
        base = resize(before, (clean.shape[1], clean.shape[2])).expand(errors.shape)
        return Scale(clean, base, base + errors)


def _shrunk(image: Tensor, factor: float) -> Tensor:
    return downscale(image[None], factor)[0]


def _signed(image: Tensor) -> Tensor:
    """[0, 1] as [-1, 1]."""
    return 2 * image - 1
