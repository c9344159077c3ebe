"""libvips, loaded when it is first needed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from lossmith.restoration.tiling.raster import Raster


@cache
def vips() -> Any:
    """The library, so that it keeps nothing of one image for the next."""
    os.environ.setdefault("VIPS_WARNING", "1")  # what matters of a damaged file is raised
    import pyvips

    # files are deleted, and others written, under names that it has seen
    pyvips.cache_set_max(0)
    return pyvips


@contextmanager
def plainly() -> Iterator[None]:
    """What the library says of a failure is many lines; the last one is about the file."""
    try:
        yield
    except vips().Error as error:
        raise ValueError(str(error).strip().splitlines()[-1].strip()) from error


def image_of(raster: Raster) -> Any:
    """A raster, as libvips sees it; it reads only the part in use."""
    wide = raster.dtype == "uint16"
    colors = "rgb" if raster.channels > 2 else "grey"  # as libvips spells it
    interpretation = f"{colors}16" if wide else "srgb" if raster.channels > 2 else "b-w"
    image = vips().Image.rawload(
        str(raster.path), raster.width, raster.height, raster.channels, format="ushort" if wide else "uchar"
    )
    return image.copy(interpretation=interpretation)
