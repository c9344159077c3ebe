"""ICC color profiles: their color space, and conversion of pixels to sRGB."""

import io
from dataclasses import replace
from pathlib import Path

from lossmith.restoration.io.vips import image_of, vips
from lossmith.restoration.tiling.raster import Raster


def space_of(icc: bytes | None) -> str | None:
    """The color space of an ICC profile, such as "GRAY", "RGB" or "CMYK"; None where it is not a valid one."""
    from PIL import ImageCms

    if (
        not icc
        or len(icc) < 128
        or icc[36:40] != b"acsp"
        or icc[12:16] not in (b"mntr", b"scnr", b"prtr", b"spac")
    ):
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except Exception:  # lcms gives no reason
        return None
    return icc[16:20].decode("ascii", "replace").strip()


def srgb_profile() -> bytes:
    """An ICC profile of sRGB."""
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def convert_to_srgb(raster: Raster, icc: bytes, channels: int, to: Path) -> Raster:
    """Convert gray pixels from a gray or RGB profile to sRGB of 1 or 3 color channels, in a raster at `to`."""
    library = vips()
    image = image_of(raster)
    gray, alpha = image[0], image[1:] if raster.channels == 2 else None
    if space_of(icc) == "RGB":
        gray = gray.bandjoin([gray, gray])
    wide = raster.dtype == "uint16"
    tagged = gray.copy(
        interpretation="rgb16" if wide and gray.bands == 3 else "grey16" if wide else gray.interpretation
    )
    tagged.set_type(library.GValue.blob_type, "icc-profile-data", icc)
    converted = tagged.icc_transform("srgb", embedded=True, depth=16 if wide else 8, intent="relative")
    colors = converted if channels == 3 else converted[1]
    image = colors.bandjoin(alpha) if alpha is not None else colors
    image.rawsave(str(to), keep="none")
    return replace(raster, path=to, channels=image.bands)
