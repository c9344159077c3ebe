"""The progress of loss learning, and its cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from lossmith.core.progress import ProgressBar
from lossmith.loss_learning.pyramid import ImagePyramid
from lossmith.loss_learning.recipe import LossRecipe


@dataclass(frozen=True)
class ScaleProgress:
    """Updates a progress bar over the iterations of all scales, weighted by their costs.

    Parameters
    ----------
    bar
        The progress bar.
    costs
        Of an iteration at each scale, in any unit.
    iterations
        At each scale.
    """

    bar: ProgressBar
    costs: Sequence[float]
    iterations: int

    def update(self, scale: int, iteration: int, values: Mapping[str, float]) -> None:
        """Show the metrics of an iteration of a scale, both counted as `ScaleWGAN` counts them."""
        done = (sum(self.costs[:scale]) + self.costs[scale] * iteration / self.iterations) / sum(self.costs)
        self.bar.title = f"scale {scale + 1} of {len(self.costs)}"
        self.bar.update(done, partial(self._status, iteration, values))

    def _status(self, iteration: int, values: Mapping[str, float]) -> str:
        metrics = "".join(f"  {name} {value:.3g}" for name, value in values.items())
        return f"iteration {iteration} of {self.iterations}{metrics}"


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
