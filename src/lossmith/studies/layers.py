"""The layers at which a network is tapped."""

from collections.abc import Sequence

import torch
from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.losses.perceptual.backbones import Backbone
from lossmith.losses.perceptual.graph import layer_aliases, map_sizes
from lossmith.studies.pihlgren import PIHLGREN

OTHERS = {"timm/tf_efficientnet_lite0": ("bn1", "blocks.0", "blocks.3", "blocks.6")}
"""Layers of further networks: the stem and the stages of the publication's EfficientNets."""
MOST = 4
"""Layers of a network that no table has."""
SIDE = 224
"""Pixels of the picture by which the layers of a network are found."""


def default_layers(source: Backbone) -> list[str]:
    """Four layers or fewer: those of the publication, or the last block at each resolution, evenly spread.

    Raises LossmithError for a network that takes no picture of 224 x 224, or makes no square feature maps of it.
    """
    if source.name in PIHLGREN:
        return [tap.layer for tap in PIHLGREN[source.name]]
    return [*OTHERS[source.name]] if source.name in OTHERS else _last_layers(source)


def _last_layers(source: Backbone) -> list[str]:
    network = source.network
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    channels = first.in_channels if first else 3
    try:
        sizes = map_sizes(network.to("meta"), torch.empty(1, channels, SIDE, SIDE, device="meta"))
    except Exception as error:  # a network can raise anything
        raise LossmithError(
            f"{source.name} takes no picture of {SIDE} x {SIDE} pixels, by which its layers are found; "
            "name them in `layers`"
        ) from error
    maps = {name: height for name, (height, width) in sizes.items() if height == width > 1}  # not (N, H, W, C)
    if not maps:
        raise LossmithError(f"{source.name} makes no feature maps of (N, C, H, W), which a loss could compare")
    chosen: dict[int, str] = {}
    for name, side in maps.items():  # the last of the outermost blocks
        if side not in chosen or name.count(".") <= chosen[side].count("."):
            chosen[side] = name
    usual_names = {path: alias for alias, path in reversed(layer_aliases(network).items())}
    return evenly_spread([usual_names.get(chosen[side], chosen[side]) for side in sorted(chosen)[::-1]], MOST)


def evenly_spread(names: Sequence[str], most: int) -> list[str]:
    """The first, the last, and some between, at most so many.

    >>> evenly_spread("abcdef", 4), evenly_spread("ab", 4)
    (['a', 'c', 'd', 'f'], ['a', 'b'])
    """
    if len(names) <= most:
        return [*names]
    return [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]


__all__ = ["OTHERS", "default_layers", "evenly_spread"]
