"""The objective under which a style is learned or an image is painted: paintings, loss network and weights."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.data.photos import read_reduced
from lossmith.degradations import from_8bit
from lossmith.losses.perceptual.backbones import backbone
from lossmith.losses.perceptual.style_networks import (
    STYLE_NETWORKS,
    published_weights,
    style_network_at_hand,
)
from lossmith.losses.perceptual.style_transfer import StyleTransferLoss
from lossmith.losses.perceptual.weights import missing_file_hint
from lossmith.training.style_recipe import StyleRecipe

logger = logging.getLogger(__name__)

LEAST_PAINTING = 64
"""The least side of a painting, in pixels: of fewer, there is no texture to learn."""


def load_painting(path: Path, short_side: int) -> Tensor:
    """A painting, float32 (1, 3, H, W), reduced."""
    image = read_reduced(path, short_side)
    height, width = image.shape[1:]
    if min(height, width) < LEAST_PAINTING:
        raise LossmithError(
            f"painting '{path}' has {height}x{width} pixels to learn from, too few for a style: at least "
            f"{LEAST_PAINTING} are needed"
        )
    return from_8bit(image)[None]


def with_loss_network(recipe: StyleRecipe) -> tuple[StyleRecipe, Path | None]:
    """The recipe with its loss network and layers named, and the file of the weights, where one is known."""
    if recipe.loss_network is None:
        choice, file = style_network_at_hand()
        if choice != (published := STYLE_NETWORKS[0]):
            layers = f"{choice.style_layers}, content {choice.content_layers}"
            logger.warning(
                f"the weights of {published.name} are not at hand, so the features are those of {choice.name} "
                f"({layers}); for the paper's, {missing_file_hint(backbone(published.name).files[0])}"
            )
    else:
        known = [network for network in STYLE_NETWORKS if network.name == recipe.loss_network]
        if not known:
            if recipe.content_layers is None or recipe.style_layers is None:
                raise LossmithError(
                    f"name the layers of {recipe.loss_network} for the style: `content_layers` and `style_layers`"
                )
            return recipe, None
        choice, file = known[0], known[0].file()
    return replace(
        recipe,
        loss_network=choice.name,
        content_layers=recipe.content_layers or choice.content_layers,
        style_layers=recipe.style_layers or choice.style_layers,
    ), file


def style_objective(
    paintings: Sequence[Tensor], recipe: StyleRecipe, shares: Sequence[float] | None, weights: Path | None
) -> StyleTransferLoss:
    """The objective of a recipe whose network and layers are named."""
    network, content_layers = str(recipe.loss_network), str(recipe.content_layers)
    file = None if weights is None else str(weights)
    content, style, tv = published_weights(
        network, content_layers, recipe.content_weight, recipe.style_weight, recipe.tv_weight, file
    )
    return StyleTransferLoss(
        paintings,
        network,
        content_layers,
        str(recipe.style_layers),
        content_weight=content,
        style_weight=style,
        tv_weight=tv,
        painting_weights=shares,
        weights=file,
    )
