"""Losses for image restoration: correct, never NaN, and plain `torch.nn.Module`s.

>>> import torch
>>> from lossmith.losses import loss
>>> criterion = loss("0.84*ms_ssim_sigmas + 0.16*l1")
>>> prediction = torch.rand(2, 3, 48, 48, requires_grad=True)
>>> criterion(prediction, torch.rand(2, 3, 48, 48)).backward()
"""

from lossmith.losses.base import External, Loss, Scaled, Total, as_loss
from lossmith.losses.catalogue import LOSSES, PRESETS, describe, loss
from lossmith.losses.pixel import L1, L2, TV, Charbonnier
from lossmith.losses.schedule import Schedule
from lossmith.losses.structural import MSSSIM, SSIM, Mix, MSSSIMSigmas

__all__ = [
    "L1",
    "L2",
    "LOSSES",
    "MSSSIM",
    "PRESETS",
    "SSIM",
    "TV",
    "Charbonnier",
    "External",
    "Loss",
    "MSSSIMSigmas",
    "Mix",
    "Scaled",
    "Schedule",
    "Total",
    "as_loss",
    "describe",
    "loss",
]
