"""Images of noise, and networks that give them back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.restoration import FileRestorer, RestoreOptions, TorchEngine
from lossmith.restoration.tiling.raster import Raster

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def raster_of(values: np.ndarray[Any, Any], path: Path) -> Raster:
    height, width, channels = values.shape
    raster = Raster(path, height, width, channels, str(values.dtype)).create()
    raster.mapped("r+")[:] = values
    return raster


def identity(scale: int = 1, channels: int = 3) -> TorchEngine:
    return TorchEngine(nn.Upsample(scale_factor=scale) if scale > 1 else nn.Identity(), scale, channels=channels)


def photo(path: Path, **extra: Any) -> np.ndarray[Any, Any]:
    """Writes a JPEG or PNG of a rotated camera; returns the upright pixels."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A camera", 6
    exif.get_ifd(0x8769)[0x829A] = 0.01
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 28.0, 40.0)})
    values = noise(24, 40, 3)
    Image.fromarray(values).save(path, exif=exif, icc_profile=PROFILE, dpi=(300, 150), **extra)
    return np.rot90(np.asarray(Image.open(path)), -1)


GRAY16, RGB16, RGBA16 = (
    noise(20, 30, dtype="uint16"),
    noise(20, 30, 3, dtype="uint16"),
    noise(20, 30, 4, dtype="uint16"),
)


def refusal(path: Path, to: Path, options: RestoreOptions = RestoreOptions(), scale: int = 1) -> str:  # noqa: B008
    with pytest.raises(LossmithError) as error:
        FileRestorer(identity(scale), options).restore(path, to)
    assert not to.exists()
    return str(error.value)
