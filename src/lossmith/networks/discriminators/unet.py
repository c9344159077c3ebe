"""The U-Net discriminator with spectral normalization, which has a logit for every pixel."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lossmith.networks.discriminators.base import Discriminator


class UNetDiscriminator(Discriminator):
    """U-Net of three scales with skip connections, and a logit for every pixel; 4,376,897 parameters.

    (N, C, H, W) to (N, 1, H, W), for sides from 8 pixels on. All convolutions but the first and the last are
    spectrally normalized. `load_state_dict` also takes the keys of BasicSR's UNetDiscriminatorSN
    (`conv1.weight_orig` ...).

    Source: Wang et al., Real-ESRGAN, ICCVW 2021, after Schönfeld et al., CVPR 2020; spectral normalization of
    Miyato et al., ICLR 2018.

    Parameters
    ----------
    features
        Channels of the first convolution.
    channels
        C, the channels of the images.

    Examples
    --------
    >>> sum(p.numel() for p in UNetDiscriminator().parameters())
    4376897
    """

    name = "unet"
    min_side = 8

    def __init__(self, features: int = 64, *, channels: int = 3) -> None:
        super().__init__(features, channels=channels)
        f = features

        def normalized(inputs: int, outputs: int, side: int = 3) -> nn.Module:
            return spectral_norm(nn.Conv2d(inputs, outputs, side, side - 2, 1, bias=False))

        self.conv0 = nn.Conv2d(channels, f, 3, padding=1)
        self.conv1 = normalized(f, 2 * f, side=4)  # of stride 2
        self.conv2 = normalized(2 * f, 4 * f, side=4)
        self.conv3 = normalized(4 * f, 8 * f, side=4)
        self.conv4 = normalized(8 * f, 4 * f)
        self.conv5 = normalized(4 * f, 2 * f)
        self.conv6 = normalized(2 * f, f)
        self.conv7 = normalized(f, f)
        self.conv8 = normalized(f, f)
        self.conv9 = nn.Conv2d(f, 1, 3, padding=1)
        self.register_load_state_dict_pre_hook(_rename_spectral)  # type: ignore[no-untyped-call]

    def forward(self, images: Tensor) -> Tensor:
        self._check_images(images)
        x0 = F.leaky_relu(self.conv0(images), 0.2)
        x1 = F.leaky_relu(self.conv1(x0), 0.2)
        x2 = F.leaky_relu(self.conv2(x1), 0.2)
        x3 = F.leaky_relu(self.conv3(x2), 0.2)
        x = x2 + F.leaky_relu(self.conv4(_resize_like(x2, x3)), 0.2)
        x = x1 + F.leaky_relu(self.conv5(_resize_like(x1, x)), 0.2)
        x = x0 + F.leaky_relu(self.conv6(_resize_like(x0, x)), 0.2)
        x = F.leaky_relu(self.conv8(F.leaky_relu(self.conv7(x), 0.2)), 0.2)
        logits: Tensor = self.conv9(x)
        return logits


def _resize_like(skip: Tensor, x: Tensor) -> Tensor:
    """Upsample `x` to the size of the skip connection, which may be odd."""
    return F.interpolate(x, size=skip.shape[-2:], mode="bilinear")


def _rename_spectral(module: nn.Module, state: dict[str, Any], *_: object) -> None:
    """Rename the keys of torch's former spectral normalization to those of its present one."""
    names = {"weight_orig": "parametrizations.weight.original"}
    names |= {f"weight_{vector}": f"parametrizations.weight.0._{vector}" for vector in "uv"}
    for key in list(state):
        layer, _dot, last = key.rpartition(".")
        if last in names:
            state[f"{layer}.{names[last]}"] = state.pop(key)
