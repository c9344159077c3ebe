"""A picture file into a raster, with all that it says beside its pixels.

libvips decodes, some rows at a time, whatever it knows; BMP and PPM, which it does not, come from Pillow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from lossmith.images.reading import explained, most_of, opened, refusal, upright
from lossmith.restoration.exif import Directories, Entry, numbers, read_directories
from lossmith.restoration.metadata import (
    Metadata,
    metadata_of_gif,
    metadata_of_jpeg,
    metadata_of_png,
    metadata_of_tiff,
    resolution,
    with_exif,
)
from lossmith.restoration.profiles import space_of
from lossmith.restoration.raster import Pixels, Raster
from lossmith.restoration.vips import plainly, vips

TALL = 256
"""Rows that are decoded at a time."""
SMALL = 1 << 27
"""Pixels that are believed without asking whether the file can hold them."""
MOST_IN_A_BYTE = 2000
"""Pixels that one byte of a file may stand for, at most: Deflate and LZW pack up to 1400 bytes into one."""
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"RIFF": "webp",
}
SEVERAL = "holds several pictures (an animation or pages); save the one you mean by itself"
GRAY, RGB, PALETTE, YCBCR = (0, 1), 2, 3, 6
"""What TIFF calls PhotometricInterpretation."""
JPEG_IN_TIFF = 7
SUBFILE, REDUCED = 254, 1
"""TIFF's word for a page that is a smaller copy of another."""


@dataclass(frozen=True)
class Original:
    """A picture file that has been looked at; its pixels are still undecoded."""

    path: Path
    height: int
    width: int
    channels: int
    dtype: str
    metadata: Metadata
    premultiplied: bool = False
    """Whether colours are multiplied by their alpha."""
    gray_palette: bool = False
    pillow: bool = False
    """Whether Pillow decodes it."""

    @property
    def turned(self) -> bool:
        return self.metadata.orientation in range(2, 9)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width as it should be seen."""
        lying = self.turned and (self.metadata.orientation or 1) >= 5
        return (self.width, self.height) if lying else (self.height, self.width)


@dataclass(frozen=True)
class Decoded:
    """The pixels, upright, of 1 to 4 channels: gray or RGB, then alpha."""

    raster: Raster
    metadata: Metadata
    brightest: int = 0
    """The largest value of its colours."""


def decode(path: Path, to: Path) -> Decoded:
    """Decode a picture into a raster at `to`: uint8 or uint16, (H, W, 1 to 4), gray or RGB, then alpha.

    The EXIF orientation is applied. Palette pictures become RGB.

    Raises LossmithError, naming the file, for what is missing, no picture, damaged, animated, of several pages, in
    another colour space, of other channels or depths, or so large that it may be a decompression bomb, and when
    the disk is full.
    """
    return pixels_of(look_at(path), to)


def look_at(path: Path) -> Original:
    """What a picture is and says, without its pixels.

    Raises LossmithError as `decode` does.
    """
    with explained(path):
        with path.open("rb") as file:
            head = file.read(16)
        kind = next((kind for mark, kind in SIGNATURES.items() if head.startswith(mark)), None)
        if kind == "webp" and head[8:12] != b"WEBP":
            kind = None
        return _LOOKS[kind](path) if kind else _by_pillow(path)


def _png(path: Path) -> Original:
    metadata, stream = metadata_of_png(path)
    if (stream.im_n_frames or 1) > 1:
        raise refusal(path, SEVERAL)
    palette = stream.im_palette[1] if stream.im_palette else b""
    grays = bool(palette) and palette[::3] == palette[1::3] == palette[2::3]
    found = _original(path, metadata)
    if grays and found.channels > 2 and space_of(metadata.icc) == "GRAY":
        return replace(found, channels=found.channels - 2, gray_palette=True)
    return found


def _jpeg(path: Path) -> Original:
    return _original(path, metadata_of_jpeg(path))


def _gif(path: Path) -> Original:
    metadata, announced = metadata_of_gif(path)
    found = _original(path, metadata)
    if announced != (found.width, found.height):  # libvips goes by what is drawn
        raise ValueError("its size is not that of its picture")
    return found


def _webp(path: Path) -> Original:
    image = _opened(path)
    blobs = [
        image.get(name) if image.get_typeof(name) else None
        for name in ("icc-profile-data", "xmp-data", "exif-data")
    ]
    icc, xmp, exif = blobs
    return _original(path, with_exif(Metadata(icc=icc, xmp=xmp), exif))


def _original(path: Path, metadata: Metadata) -> Original:
    """Of what libvips reads as gray or RGB, and alpha."""
    image = _opened(path)
    if image.get_typeof("n-pages") and image.get("n-pages") > 1:
        raise refusal(path, SEVERAL)
    if image.interpretation == "cmyk":
        raise refusal(path, "is in CMYK, for print; convert it to RGB first")
    if image.format not in ("uchar", "ushort") or image.bands > 4:
        raise refusal(
            path, f"has {image.bands} channels of {image.format}; only 8 and 16 bits, gray or RGB, are restored"
        )
    _check_size(path, image.height, image.width)
    dtype = "uint8" if image.format == "uchar" else "uint16"
    return Original(path, image.height, image.width, image.bands, dtype, metadata)


def _tiff(path: Path) -> Original:
    with path.open("rb") as file:
        directories = read_directories(file)
        smaller = _check_pages(path, file, directories)
    tags = {
        tag: numbers(content, directories.order)
        for tag, content in directories.main.items()
        if isinstance(content, Entry) and tag in (256, 257, 258, 259, 262, 277, 279, 325, 338, 339)
    }
    channels = int(tags.get(277, (1,))[0])
    premultiplied = _check_channels(path, directories, tags, channels)
    metadata = metadata_of_tiff(directories)
    width, height = (int(tags[tag][0]) for tag in (256, 257))
    dtype = "uint16" if tags.get(258, (1,))[0] == 16 else "uint8"
    _check_size(path, height, width)
    if sum(tags.get(279, tags.get(325, ()))) > path.stat().st_size:
        raise refusal(path, "is truncated or damaged (it announces more than there is)")
    seen = 3 if tags[262][0] == PALETTE else channels
    return Original(path, height, width, seen, dtype, metadata.lacking(*smaller), premultiplied)


def _check_pages(path: Path, file: IO[bytes], page: Directories) -> list[str]:
    """Refuse further pages, unless they are smaller copies of the first, which are told."""
    met = {0}
    while page.following not in met:
        met.add(page.following)
        page = read_directories(file, page.following)
        kind = page.main.get(SUBFILE)
        if not isinstance(kind, Entry) or not int(numbers(kind, page.order)[0]) & REDUCED:
            raise refusal(path, SEVERAL)
    return ["smaller copies of the picture in the file"] if len(met) > 1 else []


def _check_channels(
    path: Path, directories: Directories, tags: dict[int, tuple[float, ...]], channels: int
) -> bool:
    """Refuse what is no gray or RGB of 8 or 16 bits; whether colours are multiplied by their alpha."""
    kind, bits, sort = tags[262][0], set(tags.get(258, (1,))), set(tags.get(339, (1,)))
    if sort - {1, 4} or bits & {32, 64}:
        what = "floating-point values" if 3 in sort else "32-bit or signed integers"
        raise refusal(path, f"holds {what}; only 8 and 16 bits are restored")
    spaces = {
        5: "CMYK, for print",
        8: "CIELab",
        9: "ICCLab",
        10: "ITULab",
        4: "a mask",
        32803: "a camera's mosaic",
    }
    if kind == YCBCR and tags.get(259, (1,))[0] != JPEG_IN_TIFF:
        spaces[YCBCR] = "YCbCr"
    if kind in spaces or kind not in (*GRAY, RGB, PALETTE, YCBCR):
        raise refusal(
            path, f"is a TIFF in {spaces.get(int(kind), f'colours of kind {kind:.0f}')}; convert it to RGB first"
        )
    depths = {1, 2, 4, 8, 16} if kind in GRAY else {1, 2, 4, 8} if kind == PALETTE else {8, 16}
    if len(bits) > 1 or not bits <= depths:
        called = " and ".join(f"{each:.0f}" for each in sorted(bits))
        raise refusal(path, f"holds {called} bits per value; only 8 and 16 are restored")
    colours = 1 if kind in (*GRAY, PALETTE) else 3
    extra = [int(each) for each in tags.get(338, ())]
    if channels == colours:
        return False
    if channels != colours + 1 or extra[:1] not in ([1], [2]) or kind == PALETTE:
        raise refusal(
            path,
            f"has {channels} channels, of which the last is not transparency; only gray and RGB are restored",
        )
    return extra[0] == 1


_LOOKS = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp, "tiff": _tiff}


def _by_pillow(path: Path) -> Original:
    with opened(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise refusal(path, SEVERAL)
        wide = image.mode == "I" or image.mode.startswith("I;16")
        if image.format == "PPM" and image.mode == "RGB" and most_of(image) > 255:
            raise refusal(path, "is a PPM of more than 8 bits; save it as PNG or TIFF")
        if image.mode not in ("1", "L", "P", "RGB", "RGBA") and not wide:
            raise refusal(path, f"is in the colour mode {image.mode}; convert it to RGB first")
        channels = {"1": 1, "L": 1, "RGBA": 4}.get(image.mode, 1 if wide else 3)
        metadata = Metadata(dpi=resolution(*image.info.get("dpi", (0, 0))))
        dtype = "uint16" if wide else "uint8"
        return Original(path, image.height, image.width, channels, dtype, metadata, pillow=True)


def _opened(path: Path) -> Any:
    with plainly():
        return vips().Image.new_from_file(str(path), access="sequential", fail_on="error")


def _check_size(path: Path, height: int, width: int) -> None:
    """Refuse what says that it is larger than its file can hold."""
    if height * width > SMALL and height * width > MOST_IN_A_BYTE * path.stat().st_size:
        raise refusal(
            path, "says that it has more pixels than such a small file can hold; it may be a decompression bomb"
        )


def pixels_of(original: Original, to: Path) -> Decoded:
    """Decode a picture that has been looked at."""
    shape = (original.height, original.width, original.channels)
    raster = Raster(to, *shape, original.dtype).create()
    colours = 1 if original.channels < 3 else 3
    top, brightest = 0, 0
    with explained(original.path):
        for strip in _strips(original):
            pixels = _straight(strip) if original.premultiplied else strip
            raster.mapped("r+")[top : top + len(strip)] = pixels
            top, brightest = top + len(strip), max(brightest, int(pixels[..., :colours].max()))
    return Decoded(_turned(raster, original.metadata.orientation), original.metadata, brightest)


def _strips(original: Original) -> Iterator[Pixels]:
    if original.pillow:
        yield from _strips_by_pillow(original)
        return
    image = _opened(original.path)
    if image.format not in ("uchar", "ushort") or (image.height, image.width) != (original.height, original.width):
        raise ValueError("its parts contradict each other")
    region = vips().Region.new(image)
    for top in range(0, image.height, TALL):
        rows = min(TALL, image.height - top)
        with plainly():
            fetched = region.fetch(0, top, image.width, rows)
        pixels = np.frombuffer(fetched, original.dtype).reshape(rows, image.width, image.bands)
        yield pixels[..., [0, 3][: original.channels]] if original.gray_palette else pixels


def _strips_by_pillow(original: Original) -> Iterator[Pixels]:
    with opened(original.path) as image:
        if original.dtype == "uint8":
            image = image.convert({1: "L", 3: "RGB", 4: "RGBA"}[original.channels])
        for top in range(0, image.height, TALL):
            strip = np.asarray(image.crop((0, top, image.width, min(top + TALL, image.height))))
            yield strip.reshape(*strip.shape[:2], -1).astype(original.dtype)


def _straight(strip: Pixels) -> Pixels:
    """Colours that are no longer multiplied by their alpha, to the nearest level."""
    white = np.iinfo(strip.dtype).max
    alpha = np.maximum(strip[..., -1:].astype(np.int64), 1)
    colours = np.minimum((strip[..., :-1].astype(np.int64) * white + alpha // 2) // alpha, white)
    return np.concatenate([colours.astype(strip.dtype), strip[..., -1:]], axis=2)


def _turned(raster: Raster, orientation: int | None) -> Raster:
    """Upright, as EXIF says the camera was held."""
    if orientation is None or orientation not in range(2, 9):
        return raster
    lying: Pixels = upright(raster.mapped(), orientation)
    height, width, channels = lying.shape
    standing = Raster(raster.path.with_suffix(".turned"), height, width, channels, raster.dtype).create()
    pixels = standing.mapped("r+")
    for top in range(0, standing.height, TALL):
        pixels[top : top + TALL] = lying[top : top + TALL]
    standing.path.replace(raster.path)
    return replace(standing, path=raster.path)
