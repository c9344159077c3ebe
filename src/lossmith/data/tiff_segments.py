"""TIFF pages whose packing tifffile leaves to a package of its own: unpacked by the libtiff in Pillow.

Each strip or tile is handed to libtiff as a TIFF of 8-bit gray, as wide as its rows have bytes, so that values
of any type and number of channels go through; byte order and predictor are undone here.
"""

import struct
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_PREDICTOR, HORIZONTAL_PREDICTOR, FLOAT_PREDICTOR = 1, 2, 3
SEPARATE_PLANES = 2
SHORT, LONG = 3, 4


def unpack_page(page: Any) -> NDArray[Any]:
    """The values of an open page of tifffile, of the shape `page.shape`.

    Raises any error for packings that libtiff does not know either, and for damaged ones.
    """
    key = page.keyframe  # has the tags that are the same in all pages
    separate = key.planarconfig == SEPARATE_PLANES
    samples, planes = (1, key.samplesperpixel) if separate else (key.samplesperpixel, 1)
    height, width = key.imagelength, key.imagewidth
    rows, columns = (key.tilelength, key.tilewidth) if key.is_tiled else (min(key.rowsperstrip, height), width)
    down, across = -(-height // rows), -(-width // columns)
    result = np.zeros((planes, down * rows, across * columns, samples), key.dtype.newbyteorder("="))
    file = page.parent.filehandle
    for index, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        plane, place = divmod(index, down * across)
        top, left = rows * (place // across), columns * (place % across)
        filled = rows if key.is_tiled else min(rows, height - top)
        file.seek(offset)
        if packed := file.read(count):  # a file may leave out segments of zeros
            values = _unpack(packed, (filled, columns, samples), key)
            result[plane, top : top + filled, left : left + columns] = values
    return result[:, :height, :width].reshape(key.shape)


def _unpack(packed: bytes, shape: tuple[int, int, int], page: Any) -> NDArray[Any]:
    """The values of a strip or tile, (rows, columns, samples)."""
    rows, columns, samples = shape
    dtype = page.dtype.newbyteorder(page.parent.byteorder)
    row_bytes = columns * samples * dtype.itemsize
    data = _libtiff(packed, rows, row_bytes, int(page.compression), int(page.fillorder))
    if page.predictor == FLOAT_PREDICTOR:
        return _undo_float_predictor(data, shape, page.dtype)
    values: NDArray[Any] = data.view(dtype).astype(dtype.newbyteorder("=")).reshape(shape)
    if page.predictor == HORIZONTAL_PREDICTOR:
        steps = values.view(f"u{dtype.itemsize}")
        values = np.cumsum(steps, 1, dtype=steps.dtype).view(values.dtype)
    elif page.predictor != NO_PREDICTOR:
        raise ValueError(f"its predictor {page.predictor} is not known")
    return values


def _undo_float_predictor(data: NDArray[np.uint8], shape: tuple[int, int, int], dtype: Any) -> NDArray[Any]:
    """Floats from the differences of their bytes; a row holds all first bytes, then all second ones, and so on."""
    rows, columns, samples = shape
    steps = data.reshape(rows, -1, samples)
    significant_first = np.cumsum(steps, 1, dtype=np.uint8).reshape(rows, dtype.itemsize, columns * samples)
    big_endian = np.ascontiguousarray(significant_first.transpose(0, 2, 1)).view(dtype.newbyteorder(">"))
    values: NDArray[Any] = big_endian.astype(dtype.newbyteorder("=")).reshape(shape)
    return values


def _libtiff(packed: bytes, rows: int, row_bytes: int, compression: int, fill_order: int) -> NDArray[np.uint8]:
    """The bytes of a strip or tile, (rows, row_bytes)."""
    from PIL import Image

    tags = [
        (256, LONG, row_bytes),
        (257, LONG, rows),
        (258, SHORT, 8),
        (259, SHORT, compression),
        (262, SHORT, 1),
        (266, SHORT, fill_order),
        (273, LONG, 8),
        (277, SHORT, 1),
        (278, LONG, rows),
        (279, LONG, len(packed)),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags)
    padding = b"\0" * (len(packed) % 2)
    header = struct.pack("<2sHI", b"II", 42, 8 + len(packed) + len(padding))
    with Image.open(BytesIO(header + packed + padding + directory + bytes(4)), formats=("TIFF",)) as image:
        return np.array(image)
