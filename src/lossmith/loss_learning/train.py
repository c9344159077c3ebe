"""Trains the discriminators of a loss, scale by scale, coarse to fine."""

from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor

from lossmith.core.devices import best_device
from lossmith.core.progress import ProgressBar
from lossmith.loss_learning.calibration import calibrate_layers, l1_value
from lossmith.loss_learning.checkpointer import LearningCheckpointer
from lossmith.loss_learning.progress import ScaleProgress, iteration_costs
from lossmith.loss_learning.pyramid import ImagePyramid
from lossmith.loss_learning.wgan import ScaleWGAN
from lossmith.losses.mdf.discriminator import PatchDiscriminator


@dataclass(frozen=True)
class LearnedDiscriminators:
    """The discriminators of a loss, coarsest first, on the CPU, and the images that they learned from."""

    discriminators: list[PatchDiscriminator]
    factors: list[float]
    """The side of each discriminator's input, as a part of the loss, relative to the whole image."""
    clean: list[Tensor]
    """The image of each scale, (1, C, H, W), with its range from -1 to 1."""
    degraded: list[Tensor]
    """The same, degraded."""


def train_discriminators(pyramid: ImagePyramid, checkpointer: LearningCheckpointer) -> LearnedDiscriminators:
    """Train the networks of every scale, coarse to fine, from the checkpoint if there is one.

    On a CPU the discriminators of a resumed run are the same to the last bit.

    Raises Interrupted, a KeyboardInterrupt, when told to stop, with the state saved.
    """
    recipe = pyramid.recipe
    learned = LearnedDiscriminators([], pyramid.input_factors, [], [])
    coarser: ScaleWGAN | None = None
    results: Tensor | None = None
    with checkpointer.guard(), ProgressBar() as bar:
        progress = ScaleProgress(bar, iteration_costs(pyramid, recipe), recipe.iterations)
        for number in range(len(pyramid.scale_factors)):
            gan = ScaleWGAN(recipe, number, pyramid.seed, best_device(), pyramid.sample.pixels.channels)
            scale = pyramid.scale(number, results)
            if coarser:
                gan.init_from(coarser)
            checkpointer.resume(gan)
            while gan.iteration < recipe.iterations:
                metrics = gan.train_iteration(scale)
                progress.update(number, gan.iteration, metrics)
                checkpointer.record(gan, metrics)
            learned.discriminators.append(deepcopy(gan.critic).cpu().eval().requires_grad_(False))
            learned.clean.append(scale.clean[None])
            learned.degraded.append(scale.degraded[:1])
            results, coarser = gan.reconstructions(scale), gan
    if recipe.balance == "layers":
        target_value = l1_value(learned.clean[-1], learned.degraded[-1])
        calibrate_layers(learned.discriminators, learned.factors, learned.clean, learned.degraded, target_value)
    return learned


__all__ = ["LearnedDiscriminators", "train_discriminators"]
