"""How image files become rasters, and rasters image files: for models of 8-bit gray and RGB, and of all else."""

from pathlib import Path
from typing import Any, Protocol

from lossmith.core.pixel_format import RGB_8BIT, PixelFormat, describe_channels
from lossmith.data.reading import image_error
from lossmith.restoration.io.decoding import Decoded, Original, decode_pixels, read_header
from lossmith.restoration.io.encoding import encode
from lossmith.restoration.io.formats import Format
from lossmith.restoration.io.transfer import TransferredMetadata, transfer_metadata
from lossmith.restoration.tiling.raster import Raster


class Codec(Protocol):
    """Reads images for a model, and writes its results."""

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats of results, the default first."""
        ...

    def read_header(self, path: Path) -> Original:
        """The header of an image; raises LossmithError for one that cannot be read, or is not for the model."""
        ...

    def decode(self, original: Original, to: Path) -> Decoded:
        """The pixels of an image whose header was read, in a raster at `to`."""
        ...

    def transfer(
        self, original: Original, format: Format, size: tuple[int, int], narrowed: bool
    ) -> TransferredMetadata:
        """The metadata of an image for a result of `size`; see `transfer_metadata`."""
        ...

    def encode(
        self,
        path: Path,
        raster: Raster,
        original: Original,
        format: Format,
        quality: int | None,
        metadata: TransferredMetadata,
        record: dict[str, Any],
    ) -> None:
        """Write a result; raises OSError."""
        ...


class PhotoCodec:
    """8 and 16 bits, gray or RGB, with or without alpha, for models of 8 bits, strip by strip."""

    formats: tuple[Format, ...] = ("png", "jpeg", "webp", "tiff")

    def __init__(self, pixels: PixelFormat = RGB_8BIT) -> None:
        self.pixels = pixels

    def read_header(self, path: Path) -> Original:
        original = read_header(path)
        if self.pixels != RGB_8BIT:
            check_format(path, 1 if original.channels < 3 else 3, original.dtype, self.pixels)
        return original

    def decode(self, original: Original, to: Path) -> Decoded:
        return decode_pixels(original, to)

    def transfer(
        self, original: Original, format: Format, size: tuple[int, int], narrowed: bool
    ) -> TransferredMetadata:
        return transfer_metadata(original, format, size, narrowed)

    def encode(
        self,
        path: Path,
        raster: Raster,
        original: Original,
        format: Format,
        quality: int | None,
        metadata: TransferredMetadata,
        record: dict[str, Any],
    ) -> None:
        encode(path, raster, format, quality, metadata.metadata, record)


def is_photo_format(pixels: PixelFormat) -> bool:
    """Whether images are 8-bit gray or RGB, from black to white."""
    return pixels.is_8bit and pixels.channels in (1, 3)


def check_format(path: Path, channels: int, dtype: str, pixels: PixelFormat) -> None:
    """Raise LossmithError for an image of other channels or of another type than those a model is for."""
    if (channels, dtype) != (pixels.channels, pixels.dtype):
        actual = f"{describe_channels(channels)} of {dtype}"
        needed = f"{describe_channels(pixels.channels)} of {pixels.dtype}"
        raise image_error(path, f"is {actual}, and the model is for {needed}; convert it, or take another model")
