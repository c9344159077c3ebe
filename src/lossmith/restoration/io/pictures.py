"""Pictures of any type and number of channels: rasters of floats on the scale of their range, and files again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lossmith.core.errors import counted
from lossmith.core.pixel_format import PixelFormat
from lossmith.data.picture_headers import kind_of, read_picture_header
from lossmith.data.picture_metadata import resized_description
from lossmith.data.picture_writing import arranged_for_tiff, picture_suffix
from lossmith.data.pictures import read_picture
from lossmith.data.reading import TRANSPOSED_ORIENTATIONS, errors_as_sentences, image_error
from lossmith.restoration.io.codec import Codec, PhotoCodec, check_format, is_photo_format
from lossmith.restoration.io.decoding import STRIP_ROWS, Decoded, Original, read_header
from lossmith.restoration.io.encoding import MAX_CLASSIC_TIFF, encode, record_text, tiff_entries
from lossmith.restoration.io.exif import (
    ASCII,
    RATIONAL,
    Directories,
    Directory,
    Entry,
    amend,
    entry,
    numbers,
    read_directories,
    swap_byte_order,
)
from lossmith.restoration.io.formats import Format
from lossmith.restoration.io.metadata import ACROSS, DOWN, NO_UNIT_NOTE, RECORD, RESOLUTION, Metadata
from lossmith.restoration.io.metadata_readers import metadata_of_tiff
from lossmith.restoration.io.profiles import space_of
from lossmith.restoration.io.transfer import DESCRIPTION, SIZE_NOTE, TransferredMetadata, transfer_metadata
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.tiles import Rectangle

SAMPLES, STATED_RANGE = 277, (340, 341)
"""TIFF tags: samples per pixel, and the smallest and the largest value."""


@dataclass(frozen=True)
class OriginalPicture(Original):
    """The header of a picture; its raster will be of float32."""

    directories: Directories | None = None
    """Of a TIFF."""

    @property
    def paged(self) -> bool:
        """Whether each channel is a page of a TIFF, as in OME-TIFF."""
        samples = self.directories.main.get(SAMPLES) if self.directories else None
        return self.channels > 1 and isinstance(samples, Entry) and numbers(samples, self._order) == (1,)

    @property
    def _order(self) -> str:
        return self.directories.order if self.directories else "<"

    def tags(self, *names: int) -> Directory:
        """Some of the tags of a TIFF, where it has them."""
        main = self.directories.main if self.directories else {}
        return {tag: main[tag] for tag in names if tag in main}


class PictureCodec:
    """Pictures of the format of a model, read as those that it was trained on; results have their type."""

    def __init__(self, pixels: PixelFormat) -> None:
        self.pixels = pixels

    @property
    def formats(self) -> tuple[Format, ...]:
        return ("png", "tiff", "npy") if picture_suffix(self.pixels) == ".png" else ("tiff", "npy")

    def read_header(self, path: Path) -> OriginalPicture:
        header = read_picture_header(path)
        check_format(path, header.channels, header.dtype, self.pixels)
        directories, metadata = None, Metadata()
        if kind_of(path) == "tiff":
            with errors_as_sentences(path), path.open("rb") as file:
                directories = read_directories(file)
                metadata = metadata_of_tiff(directories)
        elif kind_of(path) != "numpy":
            metadata = read_header(path).metadata
        turned = metadata.orientation in TRANSPOSED_ORIENTATIONS
        height, width = header.size[::-1] if turned else header.size
        metadata = _with_fitting_profile(metadata, header.channels)
        return OriginalPicture(path, height, width, header.channels, "float32", metadata, directories=directories)

    def decode(self, original: Original, to: Path) -> Decoded:
        stored = read_picture(original.path, self.pixels, nan="mask")
        if stored.is_floating_point() and (invalid := int(stored[0].isnan().sum())):
            raise image_error(
                original.path, f"has {counted(invalid, 'pixel')} of NaN or infinity; give them values first"
            )
        channels, height, width = stored.shape
        raster = Raster(to, height, width, channels, "float32").create()
        for top in range(0, height, STRIP_ROWS):
            rows = self.pixels.to_unit(stored[:, top : top + STRIP_ROWS])
            raster.write(Rectangle(top, 0, top + rows.shape[1], width), rows.permute(1, 2, 0).numpy())
        return Decoded(raster, original.metadata)

    def transfer(
        self, original: Original, format: Format, size: tuple[int, int], narrowed: bool
    ) -> TransferredMetadata:
        """The metadata for a result; from TIFF to TIFF resolutions keep their unit, and OME-XML is corrected."""
        if format == "npy":
            plain = original.metadata == replace(Metadata(), order=original.metadata.order)
            left_out = "leaves out all metadata, for which NumPy has no place (`format` tiff has)"
            return TransferredMetadata(Metadata(), notes=() if plain else (left_out,))
        if format != "tiff" or not isinstance(original, OriginalPicture) or original.directories is None:
            return transfer_metadata(original, format, size, narrowed)
        source = original.metadata
        others = {tag: content for tag, content in source.tags.items() if tag != DESCRIPTION}
        lost = tuple(name for name in source.lost if name != NO_UNIT_NOTE)
        rest = replace(original, metadata=replace(source, dpi=None, tags=others, lost=lost))
        transferred = transfer_metadata(rest, format, size, narrowed)
        tags = {**transferred.metadata.tags, **dict(_own_tags(original, size, self.pixels))}
        dropped = DESCRIPTION in source.tags and DESCRIPTION not in tags
        notes = (*transferred.notes, *([SIZE_NOTE] if dropped else []))
        return replace(transferred, metadata=replace(transferred.metadata, tags=tags), notes=notes)

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
        values = replace(raster, path=raster.path.with_name("values"), dtype=self.pixels.dtype).create()
        top = 0
        for strip in raster.strips():
            rows = self.pixels.from_unit(torch.from_numpy(strip))
            values.write(Rectangle(top, 0, top + len(rows), raster.width), rows)
            top += len(rows)
        if format == "npy":
            _write_numpy(path, values, record)
        elif format == "tiff":
            assert isinstance(original, OriginalPicture)
            _write_pages(path, values, original.paged)
            tags: Directory = {**metadata.metadata.tags, RECORD: Entry(ASCII, record_text(record))}
            stated = swap_byte_order(original.tags(*STATED_RANGE), metadata.metadata.order, "<")
            amend(path, {**tiff_entries(metadata.metadata, tags), **stated}, without=RESOLUTION)
        else:
            encode(path, values, format, quality, metadata.metadata, record)


def _with_fitting_profile(metadata: Metadata, channels: int) -> Metadata:
    if metadata.icc is None or space_of(metadata.icc) == {1: "GRAY", 3: "RGB"}.get(channels):
        return metadata
    return replace(metadata, icc=None).with_lost("a color profile that is for other pixels")


def _own_tags(
    original: OriginalPicture, size: tuple[int, int], pixels: PixelFormat
) -> Iterator[tuple[int, Entry | Directory]]:
    """The resolution in its own unit, per pixel of the result, and the description of the result."""
    order = original.metadata.order
    growth = size[1] / original.size[1], size[0] / original.size[0]
    turned = original.metadata.orientation in TRANSPOSED_ORIENTATIONS
    for tag, content in original.tags(*RESOLUTION).items():
        axis = (ACROSS, DOWN).index(tag) if tag in (ACROSS, DOWN) else None
        if axis is None or not isinstance(content, Entry):
            yield tag, content
            continue
        grown = growth[axis ^ turned]
        values = [grown * value for value in numbers(content, order)]
        upright = (DOWN, ACROSS)[axis] if turned else tag
        yield upright, content if grown == 1 else entry(RATIONAL, values, order)
    description = original.tags(DESCRIPTION).get(DESCRIPTION)
    if isinstance(description, Entry):
        if size == (original.height, original.width):
            yield DESCRIPTION, description
            return
        text = description.data.rstrip(b"\0").decode(errors="surrogateescape")
        if resized := resized_description(text, size, pixels, original.paged):
            yield DESCRIPTION, Entry(ASCII, resized.encode(errors="surrogateescape") + b"\0")


def _write_pages(path: Path, values: Raster, paged: bool) -> None:
    """Write pixels as a TIFF, the channels interleaved, or each in a page of its own."""
    import tifffile

    arranged, options = arranged_for_tiff(values.mapped(), paged)
    tifffile.imwrite(path, arranged, bigtiff=values.nbytes > MAX_CLASSIC_TIFF, **options)


def _write_numpy(path: Path, values: Raster, record: dict[str, Any]) -> None:
    """Write pixels as `.npy`, (H, W) or (H, W, C), and the record behind them, where NumPy reads no further."""
    pixels = values.mapped()
    with path.open("wb") as file:
        np.lib.format.write_array(file, pixels[..., 0] if values.channels == 1 else pixels, allow_pickle=False)
        file.write(record_text(record))


def default_format(pixels: PixelFormat, images: Sequence[Path]) -> Format:
    """The format of the results of a model for `pixels`, where none is named: of pictures, that of the images.

    That is TIFF or NumPy if they all are; PNG otherwise, or TIFF for what PNG cannot hold.

    >>> default_format(PixelFormat(1, "uint16", 0, 65535), [Path("a.tif"), Path("b.TIFF")])
    'tiff'
    """
    formats = codec_for(pixels).formats
    suffixes = {image.suffix.lower() for image in images}
    if is_photo_format(pixels):
        return formats[0]
    return "tiff" if suffixes <= {".tif", ".tiff"} else "npy" if suffixes == {".npy"} else formats[0]


def codec_for(pixels: PixelFormat) -> Codec:
    """What reads the images of a model, and writes its results."""
    return PhotoCodec(pixels) if is_photo_format(pixels) else PictureCodec(pixels)


__all__ = ["OriginalPicture", "PictureCodec", "codec_for", "default_format"]
