"""Gives an image the histogram of another, as Johnson et al. do after super-resolution."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossmith.degradations import to_8bit


def match_histogram(image: Tensor, reference: Tensor) -> Tensor:
    """An image (C, H, W) in [0, 1] with the histograms of a reference (C, h, w), channel by channel.

    Both are rounded to 8 bits first, and so is the result. Every level becomes the level at the same quantile of
    the reference, interpolated linearly between the levels that occur there. Equals scikit-image's
    `match_histograms`, which rounds down where this rounds to the nearest level.

    >>> match_histogram(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.2, 0.6, 0.2, 0.6]]]))
    tensor([[[0.2000, 0.6000]]])
    """
    sources, references = (to_8bit(each.detach().cpu()).numpy() for each in (image, reference))
    levels = [_matched(source, other) for source, other in zip(sources, references, strict=True)]
    matched = torch.from_numpy(np.floor(np.stack(levels) + 0.5) / 255)
    return matched.to(image)


def _matched(source: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The levels of one channel, matched to those of another, before they are rounded."""
    counts, wanted = (np.bincount(channel.ravel(), minlength=256) for channel in (source, reference))
    levels = np.flatnonzero(wanted)
    quantiles, reference_quantiles = np.cumsum(counts) / source.size, np.cumsum(wanted[levels]) / reference.size
    table: NDArray[np.float64] = np.interp(quantiles, reference_quantiles, levels)
    matched: NDArray[np.float64] = table[source]
    return matched


__all__ = ["match_histogram"]
