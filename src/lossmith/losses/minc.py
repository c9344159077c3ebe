"""The VGG-16 that was fine-tuned to recognise materials, which ESRGAN's authors tried as a loss network."""

from collections import OrderedDict
from itertools import pairwise

from torch import nn

BLOCKS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
"""The channels through which each block goes."""


class VGG16MINC(nn.Sequential):
    """The thirteen convolutions of VGG-16 up to conv5_3, before its activation; pooling rounds sizes up.

    Its state dict is that of the published file `VGG16minc_53.pth`: a weight and a bias for each of `conv11`,
    `conv12`, `conv21`, ... `conv53`, RGB. Pictures are fed as they are, in [0, 1].

    Source: Wang et al., ECCVW 2018, section 4.4, on Bell et al., Material Recognition in the Wild, CVPR 2015.
    """

    def __init__(self) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for block, widths in enumerate(BLOCKS, 1):
            if block > 1:
                layers[f"pool{block - 1}"] = nn.MaxPool2d(2, ceil_mode=True)
            for within, (given, made) in enumerate(pairwise(widths), 1):
                layers[f"conv{block}{within}"] = nn.Conv2d(given, made, 3, padding=1)
                layers[f"relu{block}{within}"] = nn.ReLU(inplace=True)
        del layers["relu53"]
        super().__init__(layers)


__all__ = ["VGG16MINC"]
