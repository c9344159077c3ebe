"""Learning an MDF loss from one image and its degradation: discriminators by WGAN-GP, scale by scale."""

from lossmith.loss_learning.recipe import PUBLISHED, LossRecipe
from lossmith.loss_learning.sample import DegradedSample, load_sample

__all__ = ["PUBLISHED", "DegradedSample", "LossRecipe", "load_sample"]
