"""Degradations: functions that make a degraded image of a clean one.

    degradation("bicubic(2) | noise(5) | jpeg(50)")(clean, rng)

Pure: tensors in, tensors out.
"""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.core.quantize import compact, from_8bit, is_gray, to_8bit
    from lossmith.degradations.base import Degradation
    from lossmith.degradations.bicubic import Bicubic
    from lossmith.degradations.blur import Blur
    from lossmith.degradations.compose import Chain
    from lossmith.degradations.custom import Custom
    from lossmith.degradations.jpeg import JPEG
    from lossmith.degradations.mosaic import Mosaic, bayer_sample, demosaic_bilinear
    from lossmith.degradations.noise import Noise, Poisson, ShotNoise
    from lossmith.degradations.registry import DEGRADATIONS, TASKS, DegradationLike, degradation
    from lossmith.degradations.resampling import resize, resize_8bit
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "DEGRADATIONS",
    "JPEG",
    "TASKS",
    "Bicubic",
    "Blur",
    "Chain",
    "Custom",
    "Degradation",
    "DegradationLike",
    "Mosaic",
    "Noise",
    "Poisson",
    "ShotNoise",
    "bayer_sample",
    "compact",
    "degradation",
    "demosaic_bilinear",
    "from_8bit",
    "is_gray",
    "resize",
    "resize_8bit",
    "to_8bit",
]
