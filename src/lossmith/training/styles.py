"""The objective under which a style is learned or an image is painted: paintings, loss network and weights."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.data import image_names
from lossmith.data.photos import read_reduced
from lossmith.degradations import from_8bit
from lossmith.losses.perceptual.style_networks import (
    STYLE_NETWORKS,
    announce_substitute,
    published_weights,
    style_network_at_hand,
)
from lossmith.losses.perceptual.style_transfer import StyleTransferLoss
from lossmith.training.style_recipe import StyleObjective

LEAST_PAINTING = 64
"""The least side of a painting, in pixels: of fewer, there is no texture to learn."""


@dataclass(frozen=True)
class Style:
    """The style of paintings."""

    loss: StyleTransferLoss
    """What says how far an image is from it."""
    record: dict[str, Any]
    """What the loss is made of, for a receipt."""
    paintings: dict[str, Tensor]
    """The paintings as they are judged by, float32 (1, 3, H, W), by name."""


def open_style(
    paintings: Sequence[Path], objective: StyleObjective, shares: Sequence[float] | None = None
) -> Style:
    """The style of painting files, under the settings of an objective.

    Raises LossmithError for a painting that cannot be read or is too small, for shares that are not one for each,
    and for a loss network whose weights or layers are not known.
    """
    names = image_names(paintings)
    images = [_load_painting(path, objective.style_size) for path in paintings]
    objective, weights = _with_loss_network(objective)
    return Style(
        _loss(images, objective, shares, weights),
        {
            "paintings": dict(zip(names, map(sha256_of, paintings), strict=True)),
            "style_share": shares,
            **{field.name: getattr(objective, field.name) for field in fields(StyleObjective)},
            "loss_weights": sha256_of(weights) if weights else None,
        },
        dict(zip(names, images, strict=True)),
    )


def loss_weights(objective: StyleObjective) -> Path | None:
    """The file of the weights by which a style is judged, where one is known."""
    return _with_loss_network(objective)[1]


def _load_painting(path: Path, short_side: int) -> Tensor:
    """A painting, float32 (1, 3, H, W), reduced."""
    image = read_reduced(path, short_side)
    height, width = image.shape[1:]
    if min(height, width) < LEAST_PAINTING:
        raise LossmithError(
            f"painting '{path}' has {height}x{width} pixels to learn from, too few for a style: at least "
            f"{LEAST_PAINTING} are needed"
        )
    return from_8bit(image)[None]


def _with_loss_network(objective: StyleObjective) -> tuple[StyleObjective, Path | None]:
    """The settings with their loss network and layers named, and the file of its weights, where one is known."""
    file: Path | None
    if objective.loss_network is None:
        choice, file = style_network_at_hand()
        announce_substitute(choice, f"{choice.style_layers}, content {choice.content_layers}")
    else:
        known = [network for network in STYLE_NETWORKS if network.name == objective.loss_network]
        if not known:
            if objective.content_layers is None or objective.style_layers is None:
                raise LossmithError(
                    f"name the layers of {objective.loss_network} for the style: `content_layers` and "
                    "`style_layers`"
                )
            return objective, None
        choice, file = known[0], known[0].file()
    return replace(
        objective,
        loss_network=choice.name,
        content_layers=objective.content_layers or choice.content_layers,
        style_layers=objective.style_layers or choice.style_layers,
    ), file


def _loss(
    paintings: Sequence[Tensor], objective: StyleObjective, shares: Sequence[float] | None, weights: Path | None
) -> StyleTransferLoss:
    """The loss of an objective whose network and layers are named."""
    network, content_layers = str(objective.loss_network), str(objective.content_layers)
    file = None if weights is None else str(weights)
    content, style, tv = published_weights(
        network, content_layers, objective.content_weight, objective.style_weight, objective.tv_weight, file
    )
    return StyleTransferLoss(
        paintings,
        network,
        content_layers,
        str(objective.style_layers),
        content_weight=content,
        style_weight=style,
        tv_weight=tv,
        painting_weights=shares,
        weights=file,
    )


__all__ = ["Style", "loss_weights", "open_style"]
