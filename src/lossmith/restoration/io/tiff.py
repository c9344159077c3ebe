"""The pixel layout of a TIFF: one gray or RGB image of 8 or 16 bits, or why it is refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lossmith.data.reading import SEVERAL_IMAGES, image_error
from lossmith.data.tiff import REDUCED_SIZE, describe_channels
from lossmith.restoration.io.exif import Directories, Entry, numbers, read_directories

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, COLORS = 254, 256, 257, 258, 259, 262
SAMPLES, STRIP_BYTES, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT = 277, 279, 325, 338, 339
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
BIT_DEPTHS = {
    WHITE_IS_ZERO: {1, 2, 4, 8, 16},
    BLACK_IS_ZERO: {1, 2, 4, 8, 16},
    RGB: {8, 16},
    PALETTE: {1, 2, 4, 8},
    YCBCR: {8},
}
COLOR_SPACES = {4: "a mask", 5: "CMYK, for print", YCBCR: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
"""Color spaces that are refused; YCbCr is read inside JPEG compression, whose decoder converts it to RGB."""
JPEG = 7
PILLOW_COMPRESSIONS = {34925: "LZMA", 50000: "ZSTD", 50001: "WebP"}
UNSIGNED, UNDEFINED, FLOAT = 1, 4, 3
ALPHA_SAMPLES = (1, 2)
"""Values of ExtraSamples that mark alpha: premultiplied, which libvips divides out, or not."""


@dataclass(frozen=True)
class PixelLayout:
    """Shape, dtype and decoder of the first image of a TIFF."""

    height: int
    width: int
    channels: int
    dtype: str
    pillow: bool
    """Whether Pillow decodes it, since the libtiff of libvips lacks its compression."""


def layout_of(path: Path, directories: Directories) -> PixelLayout:
    """The layout of the decoded pixels; a palette becomes RGB.

    Raises LossmithError for unsupported kinds of TIFF, and KeyError or ValueError for missing tags.
    """
    known = {SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, COLORS, SAMPLES, STRIP_BYTES, TILE_BYTES}
    known |= {EXTRA_SAMPLES, SAMPLE_FORMAT}
    tags = {tag: numbers(content, directories.order) for tag, content in directories.main.items() if tag in known}
    (colors,), samples = tags[COLORS], int(tags.get(SAMPLES, (1,))[0])
    bits = set(tags.get(BITS, (1,)))
    if int(tags.get(SUBFILE, (0,))[0]) & REDUCED_SIZE:
        raise image_error(path, "begins with a small copy, as a camera's raw files do; develop it first")
    _check_values(path, int(colors), bits, tags)
    if sum(tags.get(STRIP_BYTES, tags.get(TILE_BYTES, ()))) > path.stat().st_size:
        raise image_error(path, "is truncated or damaged (it announces more than there is)")
    base = 3 if colors in (RGB, YCBCR) else 1
    extra = int(tags.get(EXTRA_SAMPLES, (0,))[0]) if samples == base + 1 and colors != PALETTE else 0
    if samples != base and extra not in ALPHA_SAMPLES:
        raise image_error(
            path,
            f"{describe_channels(samples)}; only gray and RGB are restored",
        )
    channels = 3 if colors == PALETTE else samples
    compression = int(tags.get(COMPRESSION, (1,))[0])
    dtype = "uint16" if 16 in bits else "uint8"
    if compression in PILLOW_COMPRESSIONS and dtype == "uint16" and (colors, samples) != (BLACK_IS_ZERO, 1):
        raise image_error(
            path, f"has 16 bits packed by {PILLOW_COMPRESSIONS[compression]}; save it packed by Deflate (ZIP)"
        )
    return PixelLayout(
        int(tags[HEIGHT][0]), int(tags[WIDTH][0]), channels, dtype, compression in PILLOW_COMPRESSIONS
    )


def _check_values(path: Path, colors: int, bits: set[float], tags: dict[int, tuple[float, ...]]) -> None:
    formats = set(tags.get(SAMPLE_FORMAT, (UNSIGNED,)))
    if not formats <= {UNSIGNED, UNDEFINED} or bits & {32, 64}:
        what = "floating-point values" if FLOAT in formats else "32-bit or signed integers"
        raise image_error(path, f"holds {what}; convert it to 8 or 16 bits first")
    from_jpeg = colors == YCBCR and tags.get(COMPRESSION, (1,))[0] == JPEG
    if colors not in BIT_DEPTHS or (colors == YCBCR and not from_jpeg):
        space = COLOR_SPACES.get(colors, f"colors of kind {colors}")
        raise image_error(path, f"is a TIFF in {space}; convert it to RGB first")
    if len(bits) > 1 or not bits <= BIT_DEPTHS[colors]:
        depths = " and ".join(f"{depth:.0f}" for depth in sorted(bits))
        raise image_error(path, f"holds {depths} bits per value; only 8 and 16 are restored")


def has_smaller_copies(path: Path, file: IO[bytes], page: Directories) -> bool:
    """Whether only smaller copies of the first page follow it, and at least one.

    Raises LossmithError where other pages follow.
    """
    offsets = {0}
    while page.following not in offsets:
        offsets.add(page.following)
        page = read_directories(file, page.following)
        kind = page.main.get(SUBFILE)
        if not isinstance(kind, Entry) or not int(numbers(kind, page.order)[0]) & REDUCED_SIZE:
            raise image_error(path, SEVERAL_IMAGES)
    return len(offsets) > 1
