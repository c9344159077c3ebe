"""The picture and its damage at every scale, coarse to fine."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lossmith.degradations import resize
from lossmith.errors import LossmithError
from lossmith.learning.damage import Lesson
from lossmith.learning.recipe import RECEPTIVE_FIELD, LossRecipe
from lossmith.losses.discriminative_network import shrink, shrunk_side

DRAWS = 6
"""How often random damage is drawn for the picture at each scale; crops and flips make more of them."""

Crops = tuple[Tensor, Tensor, Tensor]
"""(clean, base, damaged), each (N, 3, h, w) in [-1, 1]."""


def factors(height: int, width: int, recipe: LossRecipe) -> list[float]:
    """By how much every scale is smaller than the finest, coarsest first.

    >>> from lossmith.learning.recipe import FAITHFUL
    >>> found = factors(250, 250, FAITHFUL)
    >>> len(found), round(250 * found[0]), found[-1]
    (9, 25, 1.0)
    """
    side = min(height, width)
    coarser = round(math.log(recipe.least_side / side) / math.log(recipe.factor))
    powers = (recipe.factor**power for power in range(max(0, coarser), -1, -1))
    found = [factor for factor in powers if shrunk_side(side, factor) >= RECEPTIVE_FIELD]
    if not found:
        raise LossmithError(f"the picture has {height}x{width} pixels at its finest scale, too few to learn from")
    return found


@dataclass(frozen=True)
class Scale:
    """What the two networks of one scale see; everything in [-1, 1]."""

    clean: Tensor
    """(3, H, W)."""
    base: Tensor
    """(D, 3, H, W): the enlarged results of the scale before, one for each draw of the damage."""
    damaged: Tensor
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
            pictures = (self.clean, self.base[draw], self.damaged[draw])
            cut.append([picture[window].flip(turned) for picture in pictures])
        clean, base, damaged = (torch.stack(column) for column in zip(*cut, strict=True))
        return clean, base, damaged


class Pyramid:
    """Everything that is known before anything is learned: (3, H, W) pictures in [0, 1] and errors, by scale."""

    def __init__(self, lesson: Lesson, recipe: LossRecipe, seed: int) -> None:
        longest = max(lesson.clean.shape[1:])
        self.lesson, self.recipe, self.seed = lesson, recipe, seed
        self.finest = _shrunk(lesson.clean, min(1.0, recipe.most_side / longest))
        self.factors = factors(self.finest.shape[1], self.finest.shape[2], recipe)

    @property
    def seen(self) -> list[float]:
        """By how much what each critic sees, as a part of the loss, is smaller than the picture."""
        return self.factors if self.recipe.sees == "scale" else [1.0] * len(self.factors)

    def clean(self, scale: int) -> Tensor:
        return _shrunk(self.finest, self.factors[scale])

    def errors(self, scale: int) -> Tensor:
        """(D, 3, H, W): the damage's errors as the critic of this scale will meet them in restored pictures.

        A critic that sees shrunk pictures learns from shrunk damage, one that sees full pictures from damage done
        to the small one. A draw is the same damage at all scales where it is shrunk.
        """
        return torch.stack(list(self._errors(scale)))

    def _errors(self, scale: int) -> Iterator[Tensor]:
        factor, clean = self.factors[scale], self.clean(scale)
        for draw in range(DRAWS if self.lesson.random else 1):
            rng = np.random.Generator(np.random.Philox(key=self.seed, counter=draw << 128))
            if self.recipe.sees == "scale":
                yield _shrunk(self.lesson.distortion(self.finest, rng), factor)
            else:
                yield self.lesson.distortion(clean, rng)

    def scale(self, number: int, before: Tensor | None) -> Scale:
        """What is to be learned from at a scale; `before` are the results of the scale before, (D, 3, h, w).

        The coarsest begins as the others do, with a picture that has lost its finest detail.
        """
        clean, errors = _signed(self.clean(number)), 2 * self.errors(number)
        if before is None:
            before = _shrunk(clean, self.recipe.factor)[None]
        base = resize(before, (clean.shape[1], clean.shape[2])).expand(errors.shape)
        return Scale(clean, base, base + errors)


def _shrunk(picture: Tensor, factor: float) -> Tensor:
    return shrink(picture[None], factor)[0]


def _signed(picture: Tensor) -> Tensor:
    """[0, 1] as [-1, 1]."""
    return 2 * picture - 1
