"""Phase 1 of MDF: a loss learned from one image and its damage."""

from lossmith.loss_learning.recipe import PUBLISHED, LossRecipe
from lossmith.loss_learning.sample import DegradedSample, load_sample

__all__ = ["PUBLISHED", "DegradedSample", "LossRecipe", "load_sample"]
