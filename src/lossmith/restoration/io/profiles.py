"""Color profiles: of which colors they are, and pixels that leave theirs for sRGB."""

import io
from dataclasses import replace
from pathlib import Path

from lossmith.restoration.io.vips import image_of, vips
from lossmith.restoration.tiling.raster import Raster


def space_of(icc: bytes | None) -> str | None:
    """ "GRAY", "RGB", "CMYK" ...; None of what is no profile that pixels may have."""
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
    except Exception:  # lcms says no more than that it is none
        return None
    return icc[16:20].decode("ascii", "replace").strip()


def srgb_profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def in_srgb(raster: Raster, icc: bytes, colors: int, to: Path) -> Raster:
    """Gray pixels that are said by a profile for gray or for RGB, as the `colors` (1 or 3) of sRGB, at `to`."""
    library = vips()
    image = image_of(raster)
    gray, alpha = image[0], image[1:] if raster.channels == 2 else None
    if space_of(icc) == "RGB":
        gray = gray.bandjoin([gray, gray])
    wide = raster.dtype == "uint16"
    known = gray.copy(
        interpretation="rgb16" if wide and gray.bands == 3 else "grey16" if wide else gray.interpretation
    )
    known.set_type(library.GValue.blob_type, "icc-profile-data", icc)
    seen = known.icc_transform("srgb", embedded=True, depth=16 if wide else 8, intent="relative")
    seen = seen if colors == 3 else seen[1]
    whole = seen.bandjoin(alpha) if alpha is not None else seen
    whole.rawsave(str(to), keep="none")
    return replace(raster, path=to, channels=whole.bands)
