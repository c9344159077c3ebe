"""The fourteen loss networks of Pihlgren et al. and the four layers at which they tap each.

Source: Pihlgren et al., A Systematic Performance Analysis of Deep Perceptual Loss Networks, arXiv 2302.04032.
Their super-resolution and autoencoder runs feed images as they are (`normalize=none`), with the mean squared
difference at one layer: `features(vgg11, relu1_1, distance=l2, normalize=none)`.
"""

from typing import NamedTuple


class TappedLayer(NamedTuple):
    """A layer that is tapped."""

    child: int
    """Its number among the network's children, or those of its `features`, as the paper's code has it."""
    layer: str
    """Its name in ours."""
    channels: int


def _points(children: tuple[int, ...], layers: str, channels: tuple[int, ...]) -> tuple[TappedLayer, ...]:
    return tuple(map(TappedLayer, children, layers.split(), channels))


_VGG16 = ("relu1_2 relu2_2 relu3_3 relu5_3", (64, 128, 256, 512))
_RESNET = ((2, 4, 5, 7), "relu layer1 layer2 layer4")
_EFFICIENTNET = ((0, 1, 4, 7), "features.0 features.1 features.4 features.7")

PIHLGREN: dict[str, tuple[TappedLayer, ...]] = {
    "alexnet": _points((1, 4, 7, 11), "relu1 relu2 relu3 relu5", (64, 192, 384, 256)),
    "vgg11": _points((1, 4, 9, 19), "relu1_1 relu2_1 relu3_2 relu5_2", (64, 128, 256, 512)),
    "vgg16": _points((3, 8, 15, 29), *_VGG16),
    "vgg16_bn": _points((5, 12, 22, 42), *_VGG16),
    "vgg19": _points((3, 8, 17, 35), "relu1_2 relu2_2 relu3_4 relu5_4", (64, 128, 256, 512)),
    "resnet18": _points(*_RESNET, (64, 64, 128, 512)),
    "resnet50": _points(*_RESNET, (64, 256, 512, 2048)),
    "resnext50_32x4d": _points(*_RESNET, (64, 256, 512, 2048)),
    "densenet121": _points(
        (2, 4, 6, 10),
        "features.relu0 features.denseblock1 features.denseblock2 features.denseblock4",
        (64, 256, 512, 1024),
    ),
    "googlenet": _points((0, 5, 8, 15), "conv1 inception3a inception4a inception5b", (64, 256, 512, 1024)),
    "inception_v3": _points((2, 7, 9, 14), "Conv2d_2b_3x3 Mixed_5b Mixed_5d Mixed_6e", (64, 256, 288, 768)),
    "squeezenet1_1": _points((1, 3, 7, 12), "relu1 fire2 fire5 fire9", (64, 128, 256, 512)),
    "efficientnet_b0": _points(*_EFFICIENTNET, (32, 16, 80, 320)),
    "efficientnet_b7": _points(*_EFFICIENTNET, (64, 32, 160, 640)),
}


__all__ = ["PIHLGREN", "TappedLayer"]
