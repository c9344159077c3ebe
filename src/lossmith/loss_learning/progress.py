"""The progress bar of loss learning."""

from collections.abc import Sequence
from typing import Self

from lossmith.core.progress import ProgressBar, time_left
from lossmith.loss_learning.pyramid import ImagePyramid
from lossmith.loss_learning.recipe import LossRecipe


class ScaleProgress:
    """A progress bar over the iterations of all scales, weighted by their costs.

    The time left is estimated from the iterations of this session.

    Parameters
    ----------
    costs
        Of an iteration at each scale, in any unit.
    iterations
        At each scale.
    """

    def __init__(self, costs: Sequence[float], iterations: int) -> None:
        self.costs, self.iterations = costs, iterations
        self._start: tuple[float, float] | None = None
        self._bar = ProgressBar()

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__()

    def show(self, scale: int, iteration: int, values: dict[str, float], seconds: float) -> None:
        """Show the metrics of an iteration; `seconds` have been spent so far on all scales."""
        total = sum(self.costs) * self.iterations
        done = sum(self.costs[:scale]) * self.iterations + self.costs[scale] * iteration
        if self._start is None:
            self._start = (done, seconds)
        if not self._bar.due(done / total):
            return
        speed = (done - self._start[0]) / max(seconds - self._start[1], 1e-9)
        left = time_left((total - done) / speed) if speed else ""
        status = f"iteration {iteration} of {self.iterations}  {left}" + "".join(
            f"  {k} {v:.3g}" for k, v in values.items()
        )
        self._bar.show(f"scale {scale + 1} of {len(self.costs)}", done / total, status)


OVERHEAD_COST = 1_200_000
"""The cost of an iteration on the smallest images, in the units of `iteration_costs`."""


def iteration_costs(pyramid: ImagePyramid, recipe: LossRecipe) -> list[float]:
    """The cost of an iteration at each scale, in arbitrary units.

    Fitted to iterations timed on two cores, from 23 x 33 pixels at 32 channels to 169 x 250 at 64.
    """
    height, width = pyramid.finest.shape[1:]
    costs = []
    for number, factor in enumerate(pyramid.scale_factors):
        pixels = [min(recipe.crop or side, side) for side in (height * factor, width * factor)]
        channels = recipe.width_at(number)
        costs.append(OVERHEAD_COST + recipe.batch * pixels[0] * pixels[1] * channels * (channels + 32))
    return costs
