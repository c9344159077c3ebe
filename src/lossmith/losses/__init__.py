"""Losses for image restoration: correct, never NaN, and plain `torch.nn.Module`s.

>>> import torch
>>> from lossmith.losses import loss
>>> criterion = loss("0.84*ms_ssim_sigmas + 0.16*l1")
>>> prediction = torch.rand(2, 3, 48, 48, requires_grad=True)
>>> criterion(prediction, torch.rand(2, 3, 48, 48)).backward()
"""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.losses.base import CallableLoss, Loss, LossLike, SumLoss, WeightedLoss
    from lossmith.losses.channels import for_channels, range_remarks
    from lossmith.losses.gradients import GradientShares, shares_of, term_gradients
    from lossmith.losses.mdf.loss import MDFLoss
    from lossmith.losses.mdf.loss_file import load_loss, save_loss
    from lossmith.losses.perceptual.base import PerceptualLoss
    from lossmith.losses.perceptual.contextual import ContextualLoss
    from lossmith.losses.perceptual.dists import DISTS
    from lossmith.losses.perceptual.extractor import FeatureExtractor
    from lossmith.losses.perceptual.lpips import LPIPS
    from lossmith.losses.perceptual.style import StyleLoss, StyleW2Loss
    from lossmith.losses.pixel import CharbonnierLoss, L1Loss, MSELoss, TVLoss
    from lossmith.losses.registry import DEEP, LOSSES, PRESETS, as_loss, describe, loss, overview
    from lossmith.losses.schedule import Schedule
    from lossmith.losses.share_loss import ShareLoss, as_numbers
    from lossmith.losses.structural.mix import MixLoss, MSSSIMSigmasLoss
    from lossmith.losses.structural.ssim import MSSSIMLoss, SSIMLoss
    from lossmith.losses.term_shares import gradient_shares
    from lossmith.losses.texture import TextureLoss
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "DEEP",
    "DISTS",
    "LOSSES",
    "LPIPS",
    "PRESETS",
    "CallableLoss",
    "CharbonnierLoss",
    "ContextualLoss",
    "FeatureExtractor",
    "GradientShares",
    "L1Loss",
    "Loss",
    "LossLike",
    "MDFLoss",
    "MSELoss",
    "MSSSIMLoss",
    "MSSSIMSigmasLoss",
    "MixLoss",
    "PerceptualLoss",
    "SSIMLoss",
    "Schedule",
    "ShareLoss",
    "StyleLoss",
    "StyleW2Loss",
    "SumLoss",
    "TVLoss",
    "TextureLoss",
    "WeightedLoss",
    "as_loss",
    "as_numbers",
    "describe",
    "for_channels",
    "gradient_shares",
    "load_loss",
    "loss",
    "overview",
    "range_remarks",
    "save_loss",
    "shares_of",
    "term_gradients",
]
