"""MDF: a loss on the features of small discriminators, stored in loss files; four come with lossmith."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.losses.mdf.loss import MDFLoss
    from lossmith.losses.mdf.loss_file import load_loss, save_loss
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["MDFLoss", "load_loss", "save_loss"]
