"""GeoTIFF coordinates of an enlarged image."""

from pathlib import Path
from typing import Any

import pytest
import tifffile

from .metadata_samples import GEO, restore_file, tiff


def place_of(tags: dict[int, Any], column: float, row: float) -> tuple[float, float]:
    """The world coordinates of a point in pixels from the upper left corner; OGC GeoTIFF 1.1, B.6."""
    points = 1025 in tags.get(34735, ())[4::4] and 2 in tags[34735][7::4]
    column, row = (column - 0.5, row - 0.5) if points else (column, row)
    if 34264 in tags:
        a, b, _, d, e, f, _, h = tags[34264][:8]
        return a * column + b * row + d, e * column + f * row + h
    across, down, _ = tags[33550]
    i, j, _, x, y, _ = tags[33922]
    return x + across * (column - i), y - down * (row - j)


@pytest.mark.parametrize("kind", [1, 2], ids=["pixels are areas", "pixels are points"])
@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_geotiff_coordinates_of_every_pixel_are_kept(kind: int, matrix: bool, scale: int, tmp_path: Path) -> None:
    keys = (34735, 3, 8, (1, 1, 0, 1, 1025, 0, 1, kind))
    model = (34264, 12, 16, (10.0, 2.0, 0, 5e5, 3.0, -9.0, 0, 4e6, 0, 0, 0, 0, 0, 0, 0, 1))
    tiff(tmp_path / "a.tif", *((model,) if matrix else GEO), keys)
    result, _ = restore_file(tmp_path / "a.tif", "tiff", scale)
    before, after = (
        {tag.code: tag.value for tag in tifffile.TiffFile(path).pages[0].tags}
        for path in (tmp_path / "a.tif", result)
    )
    for column, row in ((0, 0), (7, 3), (30, 20)):
        assert place_of(after, scale * column, scale * row) == pytest.approx(place_of(before, column, row))
