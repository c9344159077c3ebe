"""MDF: a loss on the features of small discriminators, stored in loss files; four come with lossmith."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.losses.mdf.loss import MDFLoss
    from lossmith.losses.mdf.loss_file import (
        FORMAT,
        check_name,
        expression_of,
        find_loss,
        load_discriminators,
        load_loss,
        save_loss,
        validate,
    )
    from lossmith.losses.mdf.published_pickle import read_pickle
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "FORMAT",
    "MDFLoss",
    "check_name",
    "expression_of",
    "find_loss",
    "load_discriminators",
    "load_loss",
    "read_pickle",
    "save_loss",
    "validate",
]
