"""Losses on the features of a frozen network: perceptual, style, contextual, LPIPS, DISTS."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.losses.perceptual.base import FeatureLoss, LayerLoss, PerceptualLoss
    from lossmith.losses.perceptual.contextual import ContextualLoss
    from lossmith.losses.perceptual.dists import DISTS
    from lossmith.losses.perceptual.extractor import FeatureExtractor
    from lossmith.losses.perceptual.lpips import LPIPS
    from lossmith.losses.perceptual.style import StyleLoss, StyleW2Loss
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "DISTS",
    "LPIPS",
    "ContextualLoss",
    "FeatureExtractor",
    "FeatureLoss",
    "LayerLoss",
    "PerceptualLoss",
    "StyleLoss",
    "StyleW2Loss",
]
