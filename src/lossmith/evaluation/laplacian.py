"""The Laplacian pyramid of Simoncelli's matlabPyrTools (`buildLpyr`: binom5, reflect1)."""

import torch
import torch.nn.functional as F
from torch import Tensor

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def laplacian_pyramid(picture: Tensor, levels: int) -> list[Tensor]:
    """`levels` bands of (1, H, W), finest first, each half the size of the one before (rounded up).

    All but the last hold what is lost in halving; the last is the remaining small picture. Gains are those of
    the toolbox, whose filter sums to sqrt(2) along each side: the small picture of band k is 2^k times as bright.

    Source: Burt, Adelson, IEEE Trans. Communications 31(4), 1983.

    >>> flat = torch.ones(1, 33, 40, dtype=torch.float64)
    >>> bands = laplacian_pyramid(flat, 3)
    >>> [(tuple(band.shape), round(band.mean().item(), 12)) for band in bands]
    [((1, 33, 40), 0.0), ((1, 17, 20), 0.0), ((1, 9, 10), 4.0)]
    """
    bands = []
    for _ in range(levels - 1):
        small = _blur(picture)[:, ::2, ::2] * 2
        bands.append(picture - _enlarge(small, picture.shape))
        picture = small
    return [*bands, picture]


def _enlarge(small: Tensor, shape: torch.Size) -> Tensor:
    """Zeros between the pixels, then a blur of gain 2 along each side: half the brightness of `small`."""
    spread = small.new_zeros(shape)
    spread[:, ::2, ::2] = small
    return _blur(spread) * 2


def _blur(picture: Tensor) -> Tensor:
    weights = torch.tensor(BINOMIAL, dtype=picture.dtype, device=picture.device)
    padded = F.pad(picture[None], (2, 2, 2, 2), mode="reflect")
    columns = F.conv2d(padded, weights[None, None, :, None])
    return F.conv2d(columns, weights[None, None, None, :])[0]
