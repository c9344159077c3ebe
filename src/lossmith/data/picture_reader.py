"""Images as a study reads them: in its format, and with the pixels that do not count."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data.masks import mask_of, read_mask
from lossmith.data.pictures import read_picture


class CleanImage(NamedTuple):
    """A clean image in its two roles, each (C, H, W) as the format stores it."""

    target: Tensor
    """What results are compared with: NaN, in all channels of a float32 image, where a pixel does not count."""
    source: Tensor
    """What is degraded, without NaN; `target` itself where all pixels count."""


@dataclass(frozen=True)
class PictureReader:
    """How the images of a study are read."""

    pixels: PixelFormat = RGB_8BIT
    """The format of all of them."""
    nan: Literal["refuse", "mask"] = "refuse"
    """Whether files with NaN or infinite pixels are refused, or these pixels do not count."""
    masks: Mapping[Path, Path] = field(default_factory=dict)
    """The masks of clean images; without one, all pixels count."""

    @classmethod
    def with_masks(
        cls, pixels: PixelFormat, images: Iterable[Path], masks: Path | None, nan: Literal["refuse", "mask"]
    ) -> "PictureReader":
        """The reader of images whose masks are in a folder, by file name; without a folder there are none.

        Raises LossmithError for an image without a mask.
        """
        return cls(pixels, nan, {} if masks is None else {image: mask_of(image, masks) for image in images})

    @property
    def masks_pixels(self) -> bool:
        """Whether there may be pixels that do not count."""
        return bool(self.masks) or self.nan == "mask"

    def read(self, path: Path, scale: int = 1) -> CleanImage:
        """A clean image, cropped at the bottom and the right to multiples of `scale`.

        Raises LossmithError for an image that cannot be read, or with a side below `scale`, for a mask of another
        size, and where no pixel counts.
        """
        image = read_picture(path, self.pixels, self.nan)
        height, width = (side // scale * scale for side in image.shape[1:])
        if not height or not width:
            size = f"{image.shape[1]}x{image.shape[2]}"
            raise LossmithError(f"image '{path}' has {size} pixels, too few to be downscaled by {scale}")
        valid = self._valid(path, image)
        image = image[:, :height, :width].contiguous()
        if valid is None or (valid := valid[:, :height, :width]).all():
            return CleanImage(image, image)
        if not valid.any():
            raise LossmithError(f"image '{path}' has no pixel that counts; take it away")
        target = self.pixels.to_unit(image).where(valid, torch.nan)
        return CleanImage(target, filled(image))

    def read_pair(self, clean: Path, degraded: Path, scale: int) -> tuple[CleanImage, Tensor]:
        """A clean image and its degraded one, cropped to the part that both have: (C, H, W), (C, H / s, W / s).

        Some programs round the sides of a downscaled image up: of 101 pixels to 51, the last of which is half a
        pixel.
        """
        large, small = self.read(clean, scale), read_picture(degraded, self.pixels, self.nan)
        height, width = (side // scale for side in large.target.shape[1:])
        return large, filled(small[:, :height, :width].contiguous())

    def _valid(self, path: Path, image: Tensor) -> Tensor | None:
        """Where pixels count, boolean (1, H, W); None where all do."""
        finite = image.isfinite().all(0, keepdim=True) if image.is_floating_point() else None
        if path not in self.masks:
            return finite
        mask = read_mask(self.masks[path])
        if mask.shape[1:] != image.shape[1:]:
            sizes = [f"{side.shape[1]}x{side.shape[2]}" for side in (mask, image)]
            raise LossmithError(
                f"mask '{self.masks[path]}' has {sizes[0]} pixels and its image '{path}' has {sizes[1]}"
            )
        return mask if finite is None else mask & finite


RGB_READER = PictureReader()
"""Of 8-bit RGB, all of whose pixels count."""


def filled(image: Tensor) -> Tensor:
    """An image, (C, H, W), with the nearest finite pixel in the place of each that is not; zeros where none is.

    >>> filled(torch.tensor([[[1.0, torch.nan, torch.nan, 2.0]]])).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """
    if not image.is_floating_point() or (finite := image.isfinite().all(0)).all():
        return image
    if not finite.any():
        return torch.zeros_like(image)
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(~finite.numpy(), return_distances=False, return_indices=True)
    return image[:, rows, columns]
