"""Learning an MDF loss from one image and its degradation: discriminators by WGAN-GP, scale by scale."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.loss_learning.recipe import PUBLISHED, LossRecipe
    from lossmith.loss_learning.sample import DegradedSample, load_sample
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["PUBLISHED", "DegradedSample", "LossRecipe", "load_sample"]
