"""The georeference of a GeoTIFF, rescaled for a result of another size."""

from collections.abc import Sequence

from lossmith.restoration.io.exif import DOUBLE, Directory, Entry, entry, numbers

PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, KEYS = 33550, 33922, 34264, 34735
TAGS = (PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, KEYS, 34736, 34737)
RASTER_TYPE, PIXEL_IS_POINT = 1025, 2


def rescaled(geo: Directory, order: str, growth: tuple[float, float]) -> Directory:
    """The georeference of an image with `growth` (across, down) times as many pixels over the same area.

    Source: OGC GeoTIFF 1.1, 7.1.2. Under PixelIsPoint the center of the first pixel lies at (0, 0), otherwise its
    corner.
    """
    values = {tag: numbers(content, order) for tag, content in geo.items() if isinstance(content, Entry)}
    is_point = _pixel_is_point(values.get(KEYS, ()))
    shifts = tuple((factor - 1) / 2 if is_point else 0.0 for factor in growth)
    result = dict(geo)
    if PIXEL_SCALE in values:
        across, down, *rest = values[PIXEL_SCALE]
        result[PIXEL_SCALE] = entry(DOUBLE, [across / growth[0], down / growth[1], *rest], order)
    if TIE_POINTS in values:
        points = list(values[TIE_POINTS])
        for axis in (0, 1):
            points[axis::6] = [growth[axis] * point + shifts[axis] for point in points[axis::6]]
        result[TIE_POINTS] = entry(DOUBLE, points, order)
    if TRANSFORMATION in values:
        matrix = list(values[TRANSFORMATION])
        for row in range(0, 16, 4):
            matrix[row], matrix[row + 1] = matrix[row] / growth[0], matrix[row + 1] / growth[1]
            matrix[row + 3] -= shifts[0] * matrix[row] + shifts[1] * matrix[row + 1]
        result[TRANSFORMATION] = entry(DOUBLE, matrix, order)
    return result


def _pixel_is_point(keys: Sequence[float]) -> bool:
    return any(keys[at] == RASTER_TYPE and keys[at + 3] == PIXEL_IS_POINT for at in range(4, len(keys) - 3, 4))
