"""Random training patches as a pure function of (seed, index)."""

from itertools import accumulate

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.data.disk_cache import CachedImage, crop
from lossmith.data.training_images import TrainingImages
from lossmith.degradations.checks import check_int

MAX_DRAWS = 10_000
"""Patches that are drawn, at most, until one has a pixel that counts."""


class PatchDataset(Dataset[tuple[Tensor, Tensor]]):
    """Random pairs of patches: `patches[index]` is (degraded, clean), float32 (C, p / s, p / s) and (C, p, p).

    The image (larger ones more often), the crop, one of the eight flips and rotations and the noise all follow
    from (seed, index) through the counter-based generator Philox. There are no epochs and no length: a run resumes
    at any index, and any number of workers or machines gets the same data. Both patches are flipped after the
    degradation. Its random part is applied to the patch with enough context to equal a crop of the degraded whole
    image. Pixels that do not count are NaN in the clean patch; one without any pixel that counts is drawn again.

    Parameters
    ----------
    images
        The training images, of scale s.
    patch
        Side p of the clean patches in pixels, a multiple of the scale.
    seed
        An integer from 0 on.

    Raises
    ------
    LossmithError
        When `patch` is not a multiple of the scale or is larger than an image.

    Examples
    --------
    >>> flat = torch.full((3, 8, 9), 51, dtype=torch.uint8)
    >>> degraded, clean = PatchDataset(TrainingImages(("flat",), (flat,), (flat,), scale=1), patch=4, seed=0)[123]
    >>> clean.shape, float(degraded[0, 0, 0])
    (torch.Size([3, 4, 4]), 0.20000000298023224)
    """

    def __init__(self, images: TrainingImages, patch: int, seed: int = 0) -> None:
        check_int("patches", "patch", patch, 1)
        check_int("patches", "seed", seed, 0)
        if patch % images.scale:
            raise LossmithError(f"patches: patch must be a multiple of the scale {images.scale}, not {patch}")
        sizes = {name: clean.shape[1:] for name, clean in zip(images.names, images.clean, strict=True)}
        if small := [name for name, size in sizes.items() if min(size) < patch]:
            height, width = sizes[small[0]]
            others = f" (and {len(small) - 1} more have)" if small[1:] else ""
            raise LossmithError(
                f"patches: image '{small[0]}' has {height}x{width} pixels, too few for a patch of {patch}"
                f"{others}; let patch be smaller, or take it away"
            )
        self.images, self.patch, self.seed = images, patch, seed
        areas = accumulate(clean.shape[1] * clean.shape[2] for clean in images.clean)
        self._areas = np.array(list(areas), dtype=np.float64)

    @property
    def on_disk(self) -> bool:
        """Whether images are read from the disk."""
        return any(isinstance(image, CachedImage) for image in self.images.clean)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        degraded, clean = self.batch(index, 1)
        return degraded[0], clean[0]

    def batch(self, start: int, count: int) -> tuple[Tensor, Tensor]:
        """Patches `start` to `start + count - 1`, stacked: (count, C, p / scale, p / scale), (count, C, p, p)."""
        if start < 0:
            raise IndexError(f"patches are counted from 0, not from {start}")
        small, channels = self.patch // self.images.scale, self.images.pixels.channels
        degraded = np.empty((count, channels, small, small), np.float32)
        clean = np.empty((count, channels, self.patch, self.patch), np.float32)
        for i in range(count):
            self._fill(start + i, degraded[i], clean[i])
        return torch.from_numpy(degraded), torch.from_numpy(clean)

    def _fill(self, index: int, degraded: "Array", clean: "Array") -> None:
        # the seed selects a stream of random numbers, of which every index has 2**128 of its own
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=index << 128))
        number, top, left, turn, target = self._draw(rng)
        _to_float(_augment(target, turn), clean, self.images.pixels)
        _to_float(_augment(self._degraded(number, top, left, rng), turn), degraded, self.images.pixels)

    def _draw(self, rng: np.random.Generator) -> "tuple[int, int, int, int, Array]":
        """The number of an image, top and left of a patch, one of eight turns, and the clean patch."""
        patch, scale = self.patch, self.images.scale
        for _ in range(MAX_DRAWS):
            position, row, column, turn = rng.random(4).tolist()
            number = int(np.searchsorted(self._areas, position * self._areas[-1], side="right"))
            image = self.images.clean[number]
            top = int(row * ((image.shape[1] - patch) // scale + 1)) * scale
            left = int(column * ((image.shape[2] - patch) // scale + 1)) * scale
            target = crop(image, top, top + patch, left, left + patch).numpy()
            if not self.images.masked or not np.isnan(target[0]).all():
                return number, top, left, int(8 * turn), target
        raise LossmithError(
            f"patches: of {MAX_DRAWS} patches of {patch} pixels none has a pixel that counts; check the masks"
        )

    def _degraded(self, number: int, top: int, left: int, rng: np.random.Generator) -> "Array":
        """The degraded patch of an image whose clean patch begins at (top, left)."""
        images, image = self.images, self.images.predegraded[number]
        scale = images.clean[number].shape[1] // image.shape[1]  # of the deterministic part alone
        side, row, column = self.patch // scale, top // scale, left // scale
        if (degrade := images.random_degradation_of(number)) is None:
            return crop(image, row, row + side, column, column + side).numpy()
        above, below = _context(row, side, image.shape[1], degrade.margin, degrade.alignment, degrade.scale)
        before, after = _context(column, side, image.shape[2], degrade.margin, degrade.alignment, degrade.scale)
        context = crop(image, above, below, before, after)
        degraded = degrade(images.pixels.to_unit(context), rng).numpy()
        row, column = (row - above) // degrade.scale, (column - before) // degrade.scale
        side //= degrade.scale
        return degraded[:, row : row + side, column : column + side]


Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]


def _context(start: int, side: int, limit: int, margin: int, alignment: int, scale: int) -> tuple[int, int]:
    """(start, stop) of the pixels to degrade, along one side, for a patch to equal a crop of the degraded image.

    >>> _context(40, 48, 200, margin=16, alignment=16, scale=1)
    (16, 104)
    >>> _context(0, 48, 50, margin=16, alignment=16, scale=1)
    (0, 50)
    """
    first = max(0, start - margin) // alignment * alignment
    last = -(-(start + side + margin) // scale) * scale
    return first, min(limit, last)


def _augment(image: Array, turn: int) -> Array:
    """One of the eight flips and rotations of (3, H, W), without copying."""
    if turn & 1:
        image = image[:, :, ::-1]
    if turn & 2:
        image = image[:, ::-1]
    return image.transpose(0, 2, 1) if turn & 4 else image


def _to_float(values: Array, out: Array, pixels: PixelFormat) -> None:
    """Write stored values into `out`, on the scale of the range; the same bits as `PixelFormat.to_unit`."""
    if values.dtype.kind == "f":
        np.copyto(out, values)
    elif pixels.low:
        np.subtract(values, np.float32(pixels.low), out=out, dtype=np.float32)
        np.divide(out, np.float32(pixels.span), out=out)
    else:
        np.divide(values, np.float32(pixels.span), out=out, dtype=np.float32)
