"""Structural similarity: SSIM, MS-SSIM over scales, MS-SSIM over Gaussians, and the mix with L1."""

from lossmith.losses.structural.mix import MixLoss, MSSSIMSigmasLoss
from lossmith.losses.structural.ssim import MSSSIMLoss, SSIMLoss

__all__ = ["MSSSIMLoss", "MSSSIMSigmasLoss", "MixLoss", "SSIMLoss"]
