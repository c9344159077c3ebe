"""Gives an image the histogram of another, as Johnson et al. do after super-resolution."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossmith.degradations import resize, resize_8bit, to_8bit
from lossmith.restoration.channels import BICUBIC_REACH, to_levels
from lossmith.restoration.tiling.raster import STRIP_BYTES, Pixels, Raster
from lossmith.restoration.tiling.tiles import Rectangle

Counts = NDArray[Any]
"""How often each level occurs in a channel, or the sum of the opacities with which it does."""


def match_histogram(image: Tensor, reference: Tensor) -> Tensor:
    """An image (C, H, W) in [0, 1] with the histograms of a reference (C, h, w), channel by channel.

    Both are rounded to 8 bits first, and so is the result. Every level becomes the level at the same quantile of
    the reference, interpolated linearly between the levels that occur there. Equals scikit-image's
    `match_histograms`, which rounds down where this rounds to the nearest level.

    >>> match_histogram(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.2, 0.6, 0.2, 0.6]]]))
    tensor([[[0.2000, 0.6000]]])
    """
    channels = [to_8bit(each.detach().cpu()).numpy() for each in (image, reference)]
    counts = [[np.bincount(channel.ravel(), minlength=256) for channel in each] for each in channels]
    tables = [rounded(matched_levels(*pair)) for pair in zip(*counts, strict=True)]
    matched = np.stack([table[channel] for table, channel in zip(tables, channels[0], strict=True)])
    return torch.from_numpy(matched / 255).to(image)


def match_raster(result: Raster, source: Raster, to: Path) -> Raster:
    """A restored image with the histograms of its bicubically enlarged source, in a raster at `to`.

    Only strips are in memory. All is done on the levels of the result, of 8 or 16 bits. Pixels count by their
    opacity, and the opacity itself is not changed.

    Raises LossmithError when the disk is full.
    """
    enlarged = _enlarged(source, result.height // source.height, result.dtype)
    colors = result.channels - (result.channels in (2, 4))
    tables = [
        rounded(matched_levels(*pair)).astype(result.dtype)
        for pair in zip(_counts(result.strips(), result), _counts(enlarged, result), strict=True)
    ]
    matched = replace(result, path=to).create()
    top = 0
    for strip in result.strips():
        strip[..., :colors] = np.stack([table[strip[..., c]] for c, table in enumerate(tables)], axis=-1)
        matched.write(Rectangle(top, 0, top + len(strip), result.width), strip)
        top += len(strip)
    return matched


def matched_levels(counts: Counts, wanted: Counts) -> NDArray[np.float64]:
    """What each level of a channel becomes so that its levels occur as often as is wanted; not yet rounded.

    Where nothing is counted, as in an image that is transparent everywhere, levels stay what they are.
    """
    if not counts.sum() or not wanted.sum():
        return np.arange(len(counts), dtype=np.float64)
    levels = np.flatnonzero(wanted)
    quantiles, wanted_quantiles = (np.cumsum(each) / each.sum() for each in (counts, wanted))
    table: NDArray[np.float64] = np.interp(quantiles, wanted_quantiles[levels], levels)
    return table


def rounded(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest levels, halves up."""
    nearest: NDArray[np.float64] = np.floor(levels + 0.5)
    return nearest


def _counts(strips: Iterable[Pixels], like: Raster) -> list[Counts]:
    """The counts of each color channel, over strips of an image with the levels and channels of a raster."""
    transparent = like.channels in (2, 4)
    counts = np.zeros((like.channels - transparent, like.levels + 1), np.float64 if transparent else np.int64)
    for strip in strips:
        opacity = strip[..., -1].ravel() if transparent else None
        for channel, row in enumerate(counts):
            row += np.bincount(strip[..., channel].ravel(), opacity, like.levels + 1)
    return [*counts]


def _enlarged(source: Raster, scale: int, dtype: str) -> Iterator[Pixels]:
    """An image enlarged by MATLAB's bicubic filter, in levels of `dtype`, in strips from the top."""
    resample = resize_8bit if source.dtype == "uint8" else resize
    tall = max(1, STRIP_BYTES // (4 * source.channels * source.width * scale**2))
    for top in range(0, source.height, tall):
        bottom = min(top + tall, source.height)
        first, last = max(0, top - BICUBIC_REACH), min(source.height, bottom + BICUBIC_REACH)
        rows = source.read(Rectangle(first, 0, last, source.width)).astype(np.float32) / source.levels
        planes = torch.from_numpy(rows).permute(2, 0, 1)
        enlarged = resample(planes, scale) if scale > 1 else planes
        strip = enlarged[:, scale * (top - first) : scale * (bottom - first)].permute(1, 2, 0)
        yield to_levels(strip.numpy(), dtype)


__all__ = ["match_histogram", "match_raster"]
