"""Structural similarity: SSIM, MS-SSIM over scales, MS-SSIM over Gaussians, and the mix with L1."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.losses.structural.mix import MixLoss, MSSSIMSigmasLoss
    from lossmith.losses.structural.ssim import MSSSIMLoss, SSIMLoss
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["MSSSIMLoss", "MSSSIMSigmasLoss", "MixLoss", "SSIMLoss"]
