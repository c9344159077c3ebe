"""Learning an MDF loss from one image and its degradation: discriminators by WGAN-GP, scale by scale."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.loss_learning.card import make_card
    from lossmith.loss_learning.checkpointer import LearningCheckpointer, Row
    from lossmith.loss_learning.pyramid import ImagePyramid
    from lossmith.loss_learning.recipe import PUBLISHED, LossRecipe
    from lossmith.loss_learning.sample import DegradedSample, load_sample
    from lossmith.loss_learning.train import LearnedDiscriminators, train_discriminators
    from lossmith.loss_learning.visualization import center_crop, score_maps
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "PUBLISHED",
    "DegradedSample",
    "ImagePyramid",
    "LearnedDiscriminators",
    "LearningCheckpointer",
    "LossRecipe",
    "Row",
    "center_crop",
    "load_sample",
    "make_card",
    "score_maps",
    "train_discriminators",
]
