"""PNG, written row by row: Pillow has no 16-bit colours, and would hold the whole picture in memory."""

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lossmith.restoration.raster import Pixels

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By the number of channels: gray, gray and alpha, RGB, RGB and alpha."""
LEVEL = 6


def write_png(
    path: Path, strips: Iterable[Pixels], shape: tuple[int, int, int], bits: int, chunks: dict[bytes, bytes]
) -> None:
    """Write a picture of `shape` (H, W, C) that comes in strips of rows, uint8 or uint16.

    `chunks` are what comes before the pixels, such as {b"iCCP": ...}.
    Source: W3C, Portable Network Graphics, third edition. Raises OSError.
    """
    height, width, channels = shape
    header = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[channels], 0, 0, 0)
    deflate = zlib.compressobj(LEVEL)
    above = np.zeros(width * channels * bits // 8, np.uint8)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, content in {b"IHDR": header, **chunks}.items():
            file.write(_chunk(name, content))
        for strip in strips:
            rows = strip.astype(">u2").view(np.uint8) if bits == 16 else strip
            rows = rows.reshape(len(strip), -1)
            packed = deflate.compress(_filtered(rows, above, channels * bits // 8).tobytes())
            above = rows[-1]
            if packed:
                file.write(_chunk(b"IDAT", packed))
        file.write(_chunk(b"IDAT", deflate.flush()))
        file.write(_chunk(b"IEND", b""))


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _filtered(rows: Pixels, above: Pixels, step: int) -> Pixels:
    """Each row by the filter (left, above, their mean) that leaves the least, with its number before it."""
    upper = np.concatenate([above[None], rows[:-1]])
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    mean = ((left.astype(np.uint16) + upper) >> 1).astype(np.uint8)
    candidates = [rows - left, rows - upper, rows - mean]  # modulo 256
    # bytes near 0 or 256 are small differences
    costs = [np.abs(candidate.view(np.int8).astype(np.int16)).sum(1, dtype=np.int64) for candidate in candidates]
    best = np.argmin(costs, axis=0)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = best + 1
    for number, candidate in enumerate(candidates):
        filtered[best == number, 1:] = candidate[best == number]
    return filtered
