"""Where on Earth a GeoTIFF lies, when its pixels have become smaller."""

from collections.abc import Sequence

from lossmith.restoration.exif import DOUBLE, Directory, Entry, entry, numbers

PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, KEYS = 33550, 33922, 34264, 34735
TAGS = (PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, KEYS, 34736, 34737)
RASTER_TYPE, PIXEL_IS_POINT = 1025, 2


def enlarged(geo: Directory, order: str, scale: int) -> Directory:
    """The same place for a picture with `scale` times as many pixels to each side.

    Source: OGC GeoTIFF 1.1, 7.1.2. Where pixels are points, the first one lies at (0, 0); else its corner does.
    """
    values = {tag: numbers(content, order) for tag, content in geo.items() if isinstance(content, Entry)}
    shift = (scale - 1) / 2 if _points(values.get(KEYS, ())) else 0.0
    changed = dict(geo)
    if PIXEL_SCALE in values:
        across, down, *rest = values[PIXEL_SCALE]
        changed[PIXEL_SCALE] = entry(DOUBLE, [across / scale, down / scale, *rest], order)
    if TIE_POINTS in values:
        points = list(values[TIE_POINTS])
        for axis in (0, 1):
            points[axis::6] = [scale * place + shift for place in points[axis::6]]
        changed[TIE_POINTS] = entry(DOUBLE, points, order)
    if TRANSFORMATION in values:
        matrix = list(values[TRANSFORMATION])
        for row in range(0, 16, 4):
            matrix[row], matrix[row + 1] = matrix[row] / scale, matrix[row + 1] / scale
            matrix[row + 3] -= shift * (matrix[row] + matrix[row + 1])
        changed[TRANSFORMATION] = entry(DOUBLE, matrix, order)
    return changed


def _points(keys: Sequence[float]) -> bool:
    return any(keys[at] == RASTER_TYPE and keys[at + 3] == PIXEL_IS_POINT for at in range(4, len(keys) - 3, 4))
