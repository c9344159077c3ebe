"""The image transformation networks of Johnson et al.: for styles, and for super-resolution by features."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import format_value
from lossmith.networks.base import Restorer, check_size
from lossmith.networks.instance_norm import InstanceNorm2d

Border = Literal["reflect", "zeros"]
NormFactory = Callable[[int], nn.Module]
NORMS: dict[str | None, NormFactory] = {
    "instance": partial(InstanceNorm2d, affine=True),
    "batch": nn.BatchNorm2d,
    None: nn.Identity,
}
"""The normalizations by name, each made for a number of features."""
PADDINGS, UPSAMPLINGS, OUTPUTS = ("reflect", "input"), ("nearest", "transposed"), ("tanh", "linear")
MEAN_COLOR = (123.68 / 255, 116.779 / 255, 103.939 / 255)
"""The mean color of ImageNet in [0, 1], which the published network's output is relative to."""
AMPLITUDE = 150 / 255
"""How far the output may be from the mean color."""


class TransformNet(Restorer):
    """Downsampling, residual blocks, upsampling: 1,679,235 parameters; for scales above 1 no downsampling.

    (N, C, h, w) to (N, C, scale h, scale w), images in [0, 1]. Scale 1 is the network for styles: a 9x9
    convolution, two of stride 2, five residual blocks of 128 features, two upsampling convolutions, and a 9x9
    convolution. Scales 4 and 8 are those for super-resolution, with four blocks of 64 features at the input's
    size: 401,859 and 438,915 parameters. Every convolution but the last is followed by a normalization with
    weights of its own.

    Published networks take and give BGR from 0 to 255 less the mean color. With RGB in [0, 1] that is the same
    function up to the first convolution's weights; the output `150 * tanh` becomes `mean color + 150/255 * tanh`,
    from -0.18 to 1.07. Other than three channels all have the mean of the three.

    Source: Johnson, Alahi, Fei-Fei, ECCV 2016, and its supplement; instance normalization by Ulyanov et al., 2016.

    Parameters
    ----------
    scale
        1, 2, 4 or 8.
    width
        Multiplies the numbers of features.
    blocks
        Residual blocks [default: 5 for scale 1, and 4 for others].
    norm
        "instance", which fits styles better, "batch", as the paper has it, or None, which super-resolution learns
        faster with: what a normalization takes out of an image is missing in the result.
    padding
        "reflect" before every convolution; or "input" as published: once at the input, by all that the blocks,
        which are not padded, take away, 40 pixels. That takes up to 1.7 times the work on a patch of 256 pixels,
        needs images of more than 40, and leaves zeros around the last convolutions, which show at the border.
    upsampling
        "nearest" neighbors before a convolution, whose result has no checkerboard, or a "transposed" convolution
        as published, which takes a quarter of its multiplications.
    output
        "tanh" as published, or "linear", as ports have it.
    channels
        C, the channels of the images.

    Examples
    --------
    >>> [sum(p.numel() for p in TransformNet(scale).parameters()) for scale in (1, 4, 8)]
    [1679235, 401859, 438915]
    """

    name = "transform_net"
    mean_color: Tensor

    def __init__(
        self,
        scale: int = 1,
        width: float = 1.0,
        blocks: int | None = None,
        norm: str | None = "instance",
        padding: str = "reflect",
        upsampling: str = "nearest",
        output: str = "tanh",
        *,
        channels: int = 3,
    ) -> None:
        super().__init__(scale, channels=channels)
        doublings = {1: 2, 2: 1, 4: 2, 8: 3}.get(scale)
        if doublings is None:
            raise LossmithError(f"{self.name}: scale must be 1, 2, 4 or 8, not {scale}")
        if not 0 < width <= 8:
            raise LossmithError(f"{self.name}: width must be above 0 and at most 8, not {width}")
        self._check_choice("norm", norm, NORMS)
        self._check_choice("padding", padding, PADDINGS)
        self._check_choice("upsampling", upsampling, UPSAMPLINGS)
        self._check_choice("output", output, OUTPUTS)
        usual = 5 if scale == 1 else 4
        count = usual if blocks is None else blocks
        check_size(self.name, blocks=count)
        self.width, self.blocks = width, None if count == usual else count
        self.norm, self.padding, self.upsampling, self.output = norm, padding, upsampling, output

        stages = (32, 64, 128) if scale == 1 else (64,)
        downs = [max(1, round(width * features)) for features in stages]
        ups = downs[::-1] if scale == 1 else downs * (doublings + 1)
        mode: Border = "reflect" if padding == "reflect" else "zeros"
        made = NORMS[norm]
        self.encoder = nn.Sequential(
            _normalized(_conv(channels, downs[0], 9, mode), downs[0], made),
            *(_normalized(_conv(a, b, 3, mode, stride=2), b, made) for a, b in pairwise(downs)),
        )
        self.body = nn.Sequential(
            *(NormalizedBlock(downs[-1], made, padded=padding == "reflect") for _ in range(count))
        )
        self.decoder = nn.Sequential(
            *(_normalized(_upsampling(upsampling, a, b, mode), b, made) for a, b in pairwise(ups))
        )
        self.conv_last = _conv(ups[-1], channels, 9, mode)
        self._margin = 0 if padding == "reflect" else 2 * count * 2 ** (len(downs) - 1)
        if output == "tanh":  # among the weights, so that they tell both outputs apart
            mean = MEAN_COLOR if channels == 3 else (sum(MEAN_COLOR) / 3,) * channels
            self.register_buffer("mean_color", torch.tensor(mean).view(1, channels, 1, 1))

    def _check_choice(self, option: str, value: str | None, known: Iterable[str | None]) -> None:
        if value not in known:
            choices = " or ".join(map(format_value, known))
            raise LossmithError(f"{self.name}: {option} must be {choices}, not '{value}'")

    def forward(self, degraded: Tensor) -> Tensor:
        height, width = degraded.shape[-2:]
        x = F.pad(degraded, [self._margin] * 4, "reflect") if self._margin else degraded
        x = self.conv_last(self.decoder(self.body(self.encoder(x))))
        x = x[..., : self.scale * height, : self.scale * width]  # sizes that are no multiple of 4 are rounded up
        transformed: Tensor = x if self.output == "linear" else self.mean_color + AMPLITUDE * x.tanh()
        return transformed


class NearestConv2d(nn.Conv2d):
    """A convolution after doubling the sides by nearest neighbors."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


class NormalizedBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), of 3x3 convolutions; without padding, x is cropped by 2 pixels."""

    def __init__(self, features: int, norm: NormFactory, padded: bool) -> None:
        super().__init__()
        self._crop = 0 if padded else 2
        conv = partial(nn.Conv2d, features, features, 3, padding=1 if padded else 0, padding_mode="reflect")
        self.conv1, self.norm1 = conv(), norm(features)
        self.conv2, self.norm2 = conv(), norm(features)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.pad(x, [-self._crop] * 4) + branch if self._crop else x + branch


def _normalized(conv: nn.Module, features: int, norm: NormFactory) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=conv, norm=norm(features), relu=nn.ReLU()))


def _conv(inputs: int, outputs: int, side: int, mode: Border, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, stride, side // 2, padding_mode=mode)


def _upsampling(kind: str, inputs: int, outputs: int, mode: Border) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1)
    return NearestConv2d(inputs, outputs, 3, padding=1, padding_mode=mode)


__all__ = ["NearestConv2d", "NormalizedBlock", "TransformNet"]
