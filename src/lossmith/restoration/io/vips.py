"""libvips, imported on first use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from lossmith.restoration.tiling.raster import Raster


@cache
def vips() -> Any:
    """The pyvips module, with its cache of operations turned off."""
    os.environ.setdefault("VIPS_WARNING", "1")  # damaged files raise errors
    import pyvips

    # the cache goes by file names, under which other images are written later
    pyvips.cache_set_max(0)
    return pyvips


@contextmanager
def short_errors() -> Iterator[None]:
    """Raise libvips errors of the block as ValueError with their last line, which is about the file."""
    try:
        yield
    except vips().Error as error:
        raise ValueError(str(error).strip().splitlines()[-1].strip()) from error


def image_of(raster: Raster) -> Any:
    """A raster as a libvips image, of which only the part in use is read."""
    wide = raster.dtype == "uint16"
    colors = "rgb" if raster.channels > 2 else "grey"  # as libvips spells it
    interpretation = f"{colors}16" if wide else "srgb" if raster.channels > 2 else "b-w"
    image = vips().Image.rawload(
        str(raster.path), raster.width, raster.height, raster.channels, format="ushort" if wide else "uchar"
    )
    return image.copy(interpretation=interpretation)
