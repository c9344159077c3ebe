"""Losses for image restoration: correct, never NaN, and plain `torch.nn.Module`s.

>>> import torch
>>> from lossmith.losses import loss
>>> criterion = loss("0.84*ms_ssim_sigmas + 0.16*l1")
>>> prediction = torch.rand(2, 3, 48, 48, requires_grad=True)
>>> criterion(prediction, torch.rand(2, 3, 48, 48)).backward()
"""

from lossmith.losses.base import External, Loss, Scaled, Total, as_loss
from lossmith.losses.catalogue import LEARNED, LOSSES, PRESETS, describe, loss, overview
from lossmith.losses.contextual import Contextual
from lossmith.losses.discriminative import MDF
from lossmith.losses.dists import DISTS
from lossmith.losses.features import Extractor
from lossmith.losses.loss_file import load_loss, save_loss
from lossmith.losses.lpips import LPIPS
from lossmith.losses.perceptual import Features
from lossmith.losses.pixel import L1, L2, TV, Charbonnier
from lossmith.losses.schedule import Schedule
from lossmith.losses.structural import MSSSIM, SSIM, Mix, MSSSIMSigmas
from lossmith.losses.style import Style, StyleW2

__all__ = [
    "DISTS",
    "L1",
    "L2",
    "LEARNED",
    "LOSSES",
    "LPIPS",
    "MDF",
    "MSSSIM",
    "PRESETS",
    "SSIM",
    "TV",
    "Charbonnier",
    "Contextual",
    "External",
    "Extractor",
    "Features",
    "Loss",
    "MSSSIMSigmas",
    "Mix",
    "Scaled",
    "Schedule",
    "Style",
    "StyleW2",
    "Total",
    "as_loss",
    "describe",
    "load_loss",
    "loss",
    "overview",
    "save_loss",
]
