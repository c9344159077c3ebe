"""The image pyramid: the clean image and its degradation at every scale, coarse to fine."""

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
"""How often a random degradation is drawn at each scale; crops and flips add variety."""

Crops = tuple[Tensor, Tensor, Tensor]
"""(clean, base, degraded), each (N, C, h, w); the range of the image is from -1 to 1."""


def scale_factors(height: int, width: int, recipe: LossRecipe) -> list[float]:
    """The side of every scale relative to the finest, coarsest first.

    Raises LossmithError when the image is too small to learn from.

    >>> from lossmith.loss_learning.recipe import PUBLISHED
    >>> factors = scale_factors(250, 250, PUBLISHED)
    >>> len(factors), round(250 * factors[0]), factors[-1]
    (9, 25, 1.0)
    """
    side = min(height, width)
    coarsest = round(math.log(recipe.min_side / side) / math.log(recipe.factor))
    powers = (recipe.factor**power for power in range(max(0, coarsest), -1, -1))
    factors = [factor for factor in powers if downscaled_side(side, factor) >= RECEPTIVE_FIELD]
    if not factors:
        raise LossmithError(f"the image has {height}x{width} pixels at its finest scale, too few to learn from")
    return factors


@dataclass(frozen=True)
class Scale:
    """The images from which the two networks of a scale learn; the range of the image is from -1 to 1."""

    clean: Tensor
    """(C, H, W)."""
    base: Tensor
    """(D, C, H, W): the upsampled results of the coarser scale, one for each draw of the degradation."""
    degraded: Tensor
    """(D, C, H, W): `base` plus the error of the degradation."""

    def crops(self, recipe: LossRecipe, rng: np.random.Generator) -> Crops:
        """The crops of a step, each with its own draw of the degradation and its own flip."""
        height, width = self.clean.shape[1:]
        tall, wide = (min(recipe.crop or side, side) for side in (height, width))
        crops = []
        for _ in range(recipe.batch):
            draw, flip = int(rng.integers(len(self.base))), int(rng.integers(4)) if recipe.crop else 0
            top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
            window = (..., slice(top, top + tall), slice(left, left + wide))
            axes = [axis for axis in (1, 2) if flip & axis]
            images = (self.clean, self.base[draw], self.degraded[draw])
            crops.append([image[window].flip(axes) for image in images])
        clean, base, degraded = (torch.stack(column) for column in zip(*crops, strict=True))
        return clean, base, degraded


class ImagePyramid:
    """The clean image, (C, H, W) on the scale of its range, and the errors of its degradation, by scale.

    Parameters
    ----------
    sample
        The image and its degradation.
    recipe
        Its sides and its factor; an image larger than `max_side` is downscaled to it.
    seed
        Of random degradations.
    """

    def __init__(self, sample: DegradedSample, recipe: LossRecipe, seed: int) -> None:
        longest = max(sample.clean.shape[1:])
        self.sample, self.recipe, self.seed = sample, recipe, seed
        self.finest = _downscaled(sample.clean, min(1.0, recipe.max_side / longest))
        self.scale_factors = scale_factors(self.finest.shape[1], self.finest.shape[2], recipe)

    @property
    def input_factors(self) -> list[float]:
        """Downscaling factor of each discriminator's input, as a part of the loss."""
        return self.scale_factors if self.recipe.input_scale == "scale" else [1.0] * len(self.scale_factors)

    def clean(self, scale: int) -> Tensor:
        """The clean image at a scale, (C, H, W) on the scale of its range."""
        return _downscaled(self.finest, self.scale_factors[scale])

    def errors(self, scale: int) -> Tensor:
        """The errors of the degradation at a scale, one for each draw: (D, C, H, W).

        With `input_scale="scale"` the error at the finest scale is downscaled, since the discriminator's inputs
        will be, and a draw is the same at all scales. With "full" the downscaled image is degraded.
        """
        return torch.stack(list(self._errors(scale)))

    def _errors(self, scale: int) -> Iterator[Tensor]:
        factor, clean = self.scale_factors[scale], self.clean(scale)
        for draw in range(NOISE_DRAWS if self.sample.random else 1):
            rng = np.random.Generator(np.random.Philox(key=self.seed, counter=draw << 128))
            if self.recipe.input_scale == "scale":
                yield _downscaled(self.sample.residual(self.finest, rng), factor)
            else:
                yield self.sample.residual(clean, rng)

    def scale(self, number: int, coarser: Tensor | None) -> Scale:
        """The images of a scale; `coarser` are the results of the scale before, (D, C, h, w), if there is one.

        At the coarsest scale the clean image, downscaled and upsampled, takes their place.
        """
        clean, errors = _signed(self.clean(number)), 2 * self.errors(number)
        if coarser is None:
            coarser = _downscaled(clean, self.recipe.factor)[None]
        base = resize(coarser, (clean.shape[1], clean.shape[2])).expand(errors.shape)
        return Scale(clean, base, base + errors)


def _downscaled(image: Tensor, factor: float) -> Tensor:
    return downscale(image[None], factor)[0]


def _signed(image: Tensor) -> Tensor:
    """The scale on which the range is from -1 to 1, of one on which it is from 0 to 1."""
    return 2 * image - 1
