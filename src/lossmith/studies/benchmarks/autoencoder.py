"""A convolutional autoencoder whose code is 64 numbers, and the images that it takes."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

CODE = 64
"""Numbers in the code of an image."""
CHANNELS = (3, 32, 64, 128, 256)
"""Of an image, and of the feature map after each convolution of the encoder."""
KERNELS = {3: (5, 6, 6), 4: (5, 5, 6, 6)}
"""Of the transposed convolutions of the decoder, by the number of stages."""


class Autoencoder(nn.Module):
    """Images to codes of 64 numbers, and codes to images.

    The encoder is four convolutions of 4 x 4 with stride 2, without padding, each with batch normalization and
    ReLU, and a dense layer. The decoder is a dense layer with ReLU, and four transposed convolutions with stride
    2, with batch normalization and ReLU between them and a sigmoid at the end.

    This is the network that Pihlgren et al. publish with "Improving Image Autoencoder Embeddings with Perceptual
    Loss", IJCNN 2020 (`FourLayerCVAE` without its variational part). With three stages, which are ours, it leaves
    the last convolution out, for images of half the side.

    Parameters
    ----------
    height, width
        Of the images, in pixels, as `input_side` gives them.
    stages
        4, or 3.

    >>> network = Autoencoder(64, 80)
    >>> images = torch.rand(2, 3, 64, 80)
    >>> network.encoder(images).shape, network(images).shape
    (torch.Size([2, 64]), torch.Size([2, 3, 64, 80]))
    """

    def __init__(self, height: int, width: int, stages: int = 4) -> None:
        super().__init__()
        channels = CHANNELS[: stages + 1]
        rows, columns = ((side >> stages) - 3 for side in (height, width))
        encoder: list[nn.Module] = []
        for before, after in pairwise(channels):
            encoder += [nn.Conv2d(before, after, 4, stride=2), nn.BatchNorm2d(after), nn.ReLU()]
        positions = (rows + 1) * (columns + 1)
        self.encoder = nn.Sequential(*encoder, nn.Flatten(), nn.Linear(channels[-1] * positions, CODE))
        first = 4 * channels[-1]  # so many as the smallest image has numbers before the dense layer
        decoder: list[nn.Module] = [nn.Linear(CODE, first * rows * columns), nn.ReLU()]
        decoder += [nn.Unflatten(1, (first, rows, columns))]
        for (before, after), kernel in zip(pairwise((first, *channels[-2::-1])), KERNELS[stages], strict=True):
            decoder += [nn.ConvTranspose2d(before, after, kernel, stride=2), nn.BatchNorm2d(after), nn.ReLU()]
        self.decoder = nn.Sequential(*decoder[:-2], nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        """The reconstructions, (N, 3, H, W) in [0, 1]."""
        reconstructions: Tensor = self.decoder(self.encoder(images))
        return reconstructions


def input_side(side: int, stages: int) -> int:
    """The smallest side that the autoencoder takes and that is not smaller than this one.

    >>> [input_side(side, 4) for side in (32, 64, 65, 96)], input_side(28, 3)
    ([64, 64, 80, 96], 32)
    """
    step = 1 << stages
    return max(4, -(-side // step)) * step


def reflected(images: Tensor, height: int, width: int) -> Tensor:
    """Images, (N, C, H, W), continued to a size by reflection at their borders, equally on both sides.

    Pihlgren et al. pad SVHN, 32 x 32, to 64 x 64 in this way.

    >>> reflected(torch.arange(3).view(1, 1, 1, 3), 1, 7).flatten().tolist()
    [2, 1, 0, 1, 2, 1, 0]
    """
    rows, columns = (
        torch.from_numpy(np.pad(np.arange(side), ((new - side) // 2, -((side - new) // 2)), "reflect"))
        for side, new in zip(images.shape[2:], (height, width), strict=True)
    )
    return images[:, :, rows.to(images.device)][..., columns.to(images.device)]


def original(images: Tensor, height: int, width: int) -> Tensor:
    """The part of images continued by `reflected` that they had before.

    >>> image = torch.rand(1, 3, 5, 6)
    >>> bool((original(reflected(image, 8, 9), 5, 6) == image).all())
    True
    """
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[:, :, top : top + height, left : left + width]


__all__ = ["CODE", "Autoencoder", "input_side", "original", "reflected"]
