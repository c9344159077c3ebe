"""MDF: a loss on the features of small discriminators, stored in loss files; four come with lossmith."""

from lossmith.losses.mdf.loss import MDFLoss
from lossmith.losses.mdf.loss_file import load_loss, save_loss

__all__ = ["MDFLoss", "load_loss", "save_loss"]
