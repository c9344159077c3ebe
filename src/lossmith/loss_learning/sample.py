"""The image and the degradation that a loss is learned from."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.nn.functional import pad

from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import sha256_of
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import choose_pixels, read_picture
from lossmith.data.picture_reader import PictureReader
from lossmith.data.pixel_choice import Channels
from lossmith.data.range_use import range_remarks
from lossmith.degradations import Bicubic, Degradation, DegradationLike, degradation, is_gray, resize
from lossmith.loss_learning.recipe import RECEPTIVE_FIELD
from lossmith.losses.mdf.discriminator import downscale_to


@dataclass(frozen=True)
class DegradedSample:
    """A clean image and its degradation, from which a loss is learned.

    The degradation is a function, which applies to any image, or is given by a degraded image of the same size.
    """

    clean: Tensor
    """(C, H, W) on the scale of the range."""
    degradation: Degradation | None
    degraded: Tensor | None = None
    fingerprint: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the files: `image_sha256` and `degraded_sha256`."""
    pixels: PixelFormat = RGB_8BIT
    """The format of the images; `degradation` is that for it."""

    @property
    def name(self) -> str:
        """The degradation's expression, where it has one."""
        return str(self.degradation) if self.degradation else "the difference between two images"

    @property
    def random(self) -> bool:
        """Whether the degradation has random parameters or noise."""
        return self.degradation is not None and self.degradation.random

    def residual(self, clean: Tensor, rng: np.random.Generator) -> Tensor:
        """The degraded minus the clean image, for `clean`: the image of this sample, or a downscaled copy of it.

        Where the degradation downscales, it is the difference to plain bicubic downscaling, upsampled: 0 for plain
        super-resolution, whose loss of detail the pyramid has already, as every scale starts from the upsampled
        result of the coarser one.
        """
        height, width = clean.shape[1:]
        if self.degraded is not None:  # downscale the error, so that it holds no error of downscaling
            return downscale_to((self.degraded - self.clean)[None], (height, width))[0]
        assert self.degradation is not None
        if (scale := self.degradation.scale) == 1:
            return self.degradation(clean, rng) - clean
        cropped = clean[:, : height - height % scale, : width - width % scale]
        error = self.degradation(cropped, rng) - Bicubic(scale).for_pixels(self.pixels)(cropped)
        upsampled = resize(error, (cropped.shape[1], cropped.shape[2]))
        # the last rows and columns, which were cropped, get the error of their neighbors
        return pad(upsampled[None], (0, width % scale, 0, height % scale), "replicate")[0]


def load_sample(
    image: Path,
    description: DegradationLike | None,
    degraded: Path | None,
    channels: Channels = "auto",
    range: str = "auto",
) -> DegradedSample:
    """The sample of an image and its degradation, or of a pair of images.

    Parameters
    ----------
    image
        The clean image.
    description, degraded
        The degradation, or the degraded image.
    channels, range
        The format of the images, as for `choose_pixels`.

    Raises
    ------
    LossmithError
        When the images cannot be read, are too small or do not belong together, when the degradation does not
        apply to their format, and unless exactly one of `description` and `degraded` is given.
    """
    if (description is None) == (degraded is None):
        raise LossmithError("say what the loss is to be learned from: either `degradation` or `degraded`")
    pixels, _ = choose_pixels([image] if degraded is None else [image, degraded], channels, range, nan="mask")
    clean = _read_finite(image, pixels)
    range_remarks([image], PictureReader(pixels), chosen=range != "auto")
    if min(clean.shape[1:]) < 2 * RECEPTIVE_FIELD:
        size = f"{clean.shape[1]}x{clean.shape[2]}"
        raise LossmithError(f"image '{image}' has {size} pixels, too few to learn a loss from")
    fingerprint = {"image_sha256": sha256_of(image)}
    if degraded is None:
        assert description is not None
        kind = degradation(description).for_pixels(pixels)
        gray_in_rgb = pixels.channels == 3 and is_gray(clean)
        return DegradedSample(clean, kind.for_gray() if gray_in_rgb else kind, None, fingerprint, pixels)
    other = _read_finite(degraded, pixels)
    if other.shape != clean.shape:
        sizes = " and ".join(f"{side.shape[1]}x{side.shape[2]}" for side in (clean, other))
        raise LossmithError(f"'{image}' and '{degraded}' must be of one size, not {sizes} pixels")
    if bool((other == clean).all()):
        raise LossmithError(f"'{image}' and '{degraded}' are the same image, so there is no degradation to learn")
    return DegradedSample(clean, None, other, {**fingerprint, "degraded_sha256": sha256_of(degraded)}, pixels)


def _read_finite(path: Path, pixels: PixelFormat) -> Tensor:
    """An image on the scale of the range; raises LossmithError if a pixel is NaN or infinite."""
    image = pixels.to_unit(read_picture(path, pixels, nan="mask"))
    if invalid := int((~image[0].isfinite()).sum()):
        raise LossmithError(
            f"image '{path}' has {counted(invalid, 'pixel')} of NaN or infinity; learn from a crop without any"
        )
    return image
