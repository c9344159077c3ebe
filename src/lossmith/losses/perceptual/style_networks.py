"""Networks whose features tell content and style, the published one first, and which of them is at hand."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.losses.perceptual.backbones import backbone
from lossmith.losses.perceptual.base import PerceptualLoss, parse_layers
from lossmith.losses.perceptual.extractor import FeatureExtractor
from lossmith.losses.perceptual.style import STYLE_LAYERS
from lossmith.losses.perceptual.weights import find_file, missing_file_hint
from lossmith.losses.precomputed import Bands

logger = logging.getLogger(__name__)

PUBLISHED_LEVEL = 387.0
"""The root mean square of relu2_2 on uniform noise, in a VGG for images from 0 to 255 as the published one."""
TV_PIXELS = 4 * 3 * 256**2
"""The published total variation is a sum over a batch of four images of 3 x 256 x 256."""


@dataclass(frozen=True)
class StyleNetwork:
    """A network with the layers that stand for content and style."""

    name: str
    style_layers: str
    content_layers: str
    more_files: tuple[str, ...] = ()
    """Files that hold as many of its layers as are needed, beside those of the whole network."""

    def file(self) -> Path | None:
        """The file of its weights, if there is one."""
        known = backbone(self.name)
        return find_file((*known.files, *self.more_files), known.extra_paths)


STYLE_NETWORKS = (
    # of the content layers relu3_3 (the published code) and relu2_2 (the paper), the latter: it keeps outlines,
    # ports use it, and half of the network is enough for the photographs
    StyleNetwork("vgg16", STYLE_LAYERS, "relu2_2"),
    StyleNetwork("vgg19", "relu1_2 + relu2_2 + relu3_3", "relu2_2", ("vgg19_imagenet_to_conv3_4.safetensors",)),
    StyleNetwork("squeezenet1_1", "relu1 + fire3 + fire5 + fire7", "fire3"),
)


def published_weights(
    network: str | nn.Module, content_layers: str, content: float, style: float, tv: float, weights: str | None
) -> tuple[float, float, float]:
    """Published weights of content, style and total variation, for images in [0, 1] and features of any network.

    Published features are s times larger: 57 times those of torchvision's networks, for which images are divided
    by 255 and by ImageNet's standard deviation, and 1 times those of files whose first layer makes up for that.
    Their squared differences are s^2 times larger, those of Gram matrices s^4 times, and those of pixels 255^2
    times; and the published total variation is a sum, where ours is a mean. Relative to the content, 5 for the
    style is 5 s^2, and 1e-6 for the total variation is 51,100 / s^2. How large features are is measured on noise.
    """
    names, _ = parse_layers(content_layers)
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    (features, *_) = FeatureExtractor(network, names, weights)(noise)
    square = PUBLISHED_LEVEL**2 / float(features.square().mean())
    return content, _rounded(style * square), _rounded(tv * TV_PIXELS * 255**2 / square)


def _rounded(value: float) -> float:
    """Three digits, so that the last bits of a measurement do not distinguish runs."""
    return float(f"{value:.3g}")


def style_network_at_hand() -> tuple[StyleNetwork, Path]:
    """The first of the networks whose weights are at hand, and their file.

    Raises LossmithError, which says what to put where, if there is none: nothing is downloaded.
    """
    files = ((network, network.file()) for network in STYLE_NETWORKS)
    first = next(((network, file) for network, file in files if file), None)
    if first is None:
        published = backbone(STYLE_NETWORKS[0].name)
        raise LossmithError(
            f"no weights of {', '.join(network.name for network in STYLE_NETWORKS)} are at hand, whose features "
            f"tell content and style: {missing_file_hint(f'{published.files[0]}{published.download_hint}')}"
        )
    return first


def announce_substitute(choice: StyleNetwork, layers: str) -> None:
    """Say aloud which layers of which network stand for those of the published one."""
    published = STYLE_NETWORKS[0]
    if choice != published:
        logger.warning(
            f"the weights of {published.name} are not at hand, so the features are those of {choice.name} "
            f"({layers}); for the paper's, {missing_file_hint(backbone(published.name).files[0])}"
        )


def johnson_at_hand(
    weights: str | None = None,
    precision: str = "full",
    gray: str = "refuse",
    bands: Bands = None,
    reduction: str = "mean",
) -> PerceptualLoss:
    """The content loss of Johnson et al. on the features of the nearest network whose weights are at hand.

    The parameters are those of `PerceptualLoss`; `weights`, if given, are of VGG-16.

    >>> str(johnson_at_hand("random"))
    'features(vgg16, relu2_2, distance=l2, weights=random)'
    """
    choice = STYLE_NETWORKS[0]
    if weights is None:
        choice, file = style_network_at_hand()
        announce_substitute(choice, choice.content_layers)
        weights = file.name if file.name in choice.more_files else None  # others go by the network's name
    return PerceptualLoss(
        choice.name,
        choice.content_layers,
        distance="l2",
        weights=weights,
        precision=precision,
        gray=gray,
        bands=bands,
        reduction=reduction,
    )


__all__ = [
    "STYLE_NETWORKS",
    "StyleNetwork",
    "announce_substitute",
    "johnson_at_hand",
    "published_weights",
    "style_network_at_hand",
]
