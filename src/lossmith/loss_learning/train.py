"""Phase 1: from an image and its damage to the critics of a loss."""

from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor

from lossmith.core.devices import best_device
from lossmith.loss_learning.calibration import calibrate_layers, l1_value
from lossmith.loss_learning.checkpointer import LearningCheckpointer
from lossmith.loss_learning.progress import ScaleProgress, iteration_costs
from lossmith.loss_learning.pyramid import ImagePyramid
from lossmith.loss_learning.wgan import ScaleWGAN
from lossmith.losses.mdf.discriminator import PatchDiscriminator


@dataclass(frozen=True)
class LearnedCritics:
    """The critics of a loss, coarsest first, on the CPU, and what they have learned from."""

    critics: list[PatchDiscriminator]
    factors: list[float]
    """Of the sides that each critic sees, as a part of the loss, to those of the whole image."""
    clean: list[Tensor]
    """The image of each scale, (1, 3, H, W) in [-1, 1]."""
    degraded: list[Tensor]
    """The same, damaged."""


def train_critics(pyramid: ImagePyramid, checkpointer: LearningCheckpointer) -> LearnedCritics:
    """Play the game of every scale, coarse to fine.

    What `checkpointer` has kept is not played again; on a CPU the critics are then the same to the last bit.

    Raises Interrupted, a KeyboardInterrupt, when told to stop, with the state saved.
    """
    recipe = pyramid.recipe
    learned = LearnedCritics([], pyramid.input_factors, [], [])
    coarser: ScaleWGAN | None = None
    results: Tensor | None = None
    with checkpointer.guard(), ScaleProgress(iteration_costs(pyramid, recipe), recipe.iterations) as progress:
        for number in range(len(pyramid.scale_factors)):
            gan, scale = ScaleWGAN(recipe, number, pyramid.seed, best_device()), pyramid.scale(number, results)
            if coarser:
                gan.init_from(coarser)
            checkpointer.resume(gan)
            while gan.iteration < recipe.iterations:
                checkpointer.record(gan, gan.train_iteration(scale), progress)
            learned.critics.append(deepcopy(gan.critic).cpu().eval().requires_grad_(False))
            learned.clean.append(scale.clean[None])
            learned.degraded.append(scale.degraded[:1])
            results, coarser = gan.reconstructions(scale), gan
    if recipe.balance == "layers":
        target_value = l1_value(learned.clean[-1], learned.degraded[-1])
        calibrate_layers(learned.critics, learned.factors, learned.clean, learned.degraded, target_value)
    return learned


__all__ = ["LearnedCritics", "train_critics"]
