"""Structural similarity: SSIM, MS-SSIM over scales, MS-SSIM over Gaussians, and the mix with L1."""

from lossmith.losses.structural.losses import MixLoss, MSSSIMLoss, MSSSIMSigmasLoss, SSIMLoss

__all__ = ["MSSSIMLoss", "MSSSIMSigmasLoss", "MixLoss", "SSIMLoss"]
