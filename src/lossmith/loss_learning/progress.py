"""Which scale is being learned, how fast, and how long to go."""

from collections.abc import Sequence
from typing import Self

from lossmith.core.progress import ProgressBar, time_left
from lossmith.loss_learning.pyramid import ImagePyramid
from lossmith.loss_learning.recipe import LossRecipe


class ScaleProgress:
    """A progress bar over the rounds of all scales, weighted with what a round costs at each.

    The time left is reckoned from the rounds of this session.
    """

    def __init__(self, costs: Sequence[float], rounds: int) -> None:
        self.costs, self.rounds = costs, rounds
        self._begun: tuple[float, float] | None = None
        self._bar = ProgressBar()

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__()

    def show(self, scale: int, played: int, values: dict[str, float], seconds: float) -> None:
        """A round has been played; `seconds` have been spent on all of them."""
        total = sum(self.costs) * self.rounds
        done = sum(self.costs[:scale]) * self.rounds + self.costs[scale] * played
        if self._begun is None:
            self._begun = (done, seconds)
        if not self._bar.due(done / total):
            return
        speed = (done - self._begun[0]) / max(seconds - self._begun[1], 1e-9)
        left = time_left((total - done) / speed) if speed else ""
        status = f"round {played} of {self.rounds}  {left}" + "".join(f"  {k} {v:.3g}" for k, v in values.items())
        self._bar.show(f"scale {scale + 1} of {len(self.costs)}", done / total, status)


OVERHEAD = 1_200_000
"""What a round costs however small the images are, in the units of `iteration_costs`."""


def iteration_costs(pyramid: ImagePyramid, recipe: LossRecipe) -> list[float]:
    """What a round costs at each scale, in units that only compare.

    Fitted to rounds timed on two cores, from 23 x 33 pixels at 32 channels to 169 x 250 at 64.
    """
    height, width = pyramid.finest.shape[1:]
    found = []
    for number, factor in enumerate(pyramid.scale_factors):
        pixels = [min(recipe.crop or side, side) for side in (height * factor, width * factor)]
        channels = recipe.width_at(number)
        found.append(OVERHEAD + recipe.batch * pixels[0] * pixels[1] * channels * (channels + 32))
    return found
