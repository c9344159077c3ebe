"""EfficientNet-Lite0 up to its last stage, with the keys of timm's `tf_efficientnet_lite0`."""

import re
from collections import OrderedDict
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

STEM = 32
"""Channels."""
STAGES = (
    # channels, blocks, kernel, stride of the first block, expansion
    (16, 1, 3, 1, 1),
    (24, 2, 3, 2, 6),
    (40, 2, 5, 2, 6),
    (80, 3, 3, 2, 6),
    (112, 3, 5, 1, 6),
    (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
)
LAYERS = ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6")
"""The last stage at each resolution: 1/2, 1/4, 1/8, 1/16 and 1/32."""
NORMALIZATION = ((127 / 255,) * 3, (128 / 255,) * 3)
"""The mean and the standard deviation that the weights expect: (x - 127) / 128 of 8-bit images."""


class EfficientNetLite0(nn.Module):
    """The convolutions of EfficientNet-Lite0: inverted residuals with ReLU6, without squeeze and excitation.

    Images are (N, 3, H, W) of any size, normalized by `NORMALIZATION`; the output is (N, 320, H/32, W/32), rounded
    up. Padding is TensorFlow's "same".

    References
    ----------
    Tan, Le, EfficientNet: rethinking model scaling for convolutional neural networks, ICML 2019; Liu, Higher
    accuracy on vision models with EfficientNet-Lite, TensorFlow blog 2020.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pad, self.conv_stem = SamePadding(3), _convolution(3, STEM, 3, 2)
        self.bn1, self.act1 = _batch_norm(STEM), nn.ReLU6(inplace=True)
        self.blocks = nn.Sequential()
        channels = STEM
        for width, count, kernel, stride, expansion in STAGES:
            first = InvertedResidual(channels, width, kernel, stride, expansion)
            others = (InvertedResidual(width, width, kernel, 1, expansion) for _ in range(1, count))
            self.blocks.append(nn.Sequential(first, *others))
            channels = width

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.act1(self.bn1(self.conv_stem(self.pad(image)))))
        return features


class InvertedResidual(nn.Sequential):
    """A depthwise convolution between pointwise ones; the input is added where the output has its shape."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        width = in_channels * expansion
        convolutions = {
            "conv_pw": _convolution(in_channels, width, 1),
            "conv_dw": _convolution(width, width, kernel, stride, groups=width),
            "conv_pwl": _convolution(width, out_channels, 1),
        }
        if expansion == 1:
            convolutions = {"conv_dw": convolutions["conv_dw"], "conv_pw": convolutions["conv_pwl"]}
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (name, convolution) in enumerate(convolutions.items(), 1):
            if convolution.stride == (2, 2):
                layers["pad"] = SamePadding(kernel)
            layers[name] = convolution
            layers[f"bn{number}"] = _batch_norm(convolution.out_channels)
            if number < len(convolutions):
                layers[f"act{number}"] = nn.ReLU6(inplace=True)
        super().__init__(layers)
        self.has_skip = stride == 1 and in_channels == out_channels

    def forward(self, features: Tensor) -> Tensor:
        output: Tensor = super().forward(features)  # type: ignore[no-untyped-call]
        return output + features if self.has_skip else output


class SamePadding(nn.Module):
    """TensorFlow's "same" padding for a convolution of stride 2: of even sides more at the end."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, features: Tensor) -> Tensor:
        # written out, so that it can be traced
        rows = self.kernel - 2 + features.shape[-2] % 2
        columns = self.kernel - 2 + features.shape[-1] % 2
        return F.pad(features, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Of stride 2 the padding comes before it."""
    padding = kernel // 2 if stride == 1 else 0
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def timm_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with timm's keys, from one with these or with those of EfficientNet-PyTorch.

    >>> list(timm_keys({"_blocks.3._bn0.weight": Tensor(1), "_conv_stem.weight": Tensor(1)}))
    ['blocks.2.0.bn1.weight', 'conv_stem.weight']
    """
    return {_timm_key(key): tensor for key, tensor in state.items()}


_BLOCK_OF = [f"blocks.{stage}.{n}" for stage, (_, count, *_) in enumerate(STAGES) for n in range(count)]
"""The names of the blocks, which EfficientNet-PyTorch counts throughout."""
_LAYER_OF = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_FIRST_LAYER_OF = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""The first block has no expansion."""
_OUTER_LAYER_OF = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def _timm_key(key: str) -> str:
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
        number, layer, tensor = int(match[1]), match[2], match[3]
        layers = _LAYER_OF if number else _FIRST_LAYER_OF
        if number < len(_BLOCK_OF) and layer in layers:
            return f"{_BLOCK_OF[number]}.{layers[layer]}.{tensor}"
    layer, _, tensor = key.partition(".")
    return f"{_OUTER_LAYER_OF[layer]}.{tensor}" if layer in _OUTER_LAYER_OF else key


__all__ = ["LAYERS", "NORMALIZATION", "EfficientNetLite0", "timm_keys"]
