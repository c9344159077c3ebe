"""Where the terms of a loss pull at a restored image."""

from copy import deepcopy

import torch
from torch import Tensor

from lossmith.core.devices import best_device
from lossmith.losses import Loss, term_gradients
from lossmith.training.isolation import isolated_global_state
from lossmith.training.supervised import set_loss_progress
from lossmith.training.valid_pixels import zero_invalid


@isolated_global_state()
@torch.enable_grad()
def pull_maps(loss: Loss, restored: Tensor, target: Tensor) -> dict[str, Tensor]:
    """How strongly each term of a loss pulls at every pixel, (H, W): the norm of its gradient over the channels.

    A loss that changes during a run is taken as it is at the end. It is computed in float32 and keeps no state of
    it.

    Parameters
    ----------
    loss
        The loss; a copy in eval mode is used.
    restored, target
        The images, (C, H, W) on the scale of the range, at least as large as the loss needs. Where the target is
        NaN both are 0 and the maps are NaN.

    Returns
    -------
    dict
        The maps by the names of the terms, on the CPU; those of a loss of one term, too.

    Raises
    ------
    LossmithError
        For images that the loss does not take.
    """
    torch.manual_seed(0)  # a loss may draw random numbers
    device = best_device()
    criterion = deepcopy(loss).to(device).eval()
    set_loss_progress(criterion, 1.0)
    clean = target.float().to(device)[None]
    prediction = restored.float().to(device)[None].requires_grad_()
    terms = criterion.terms(zero_invalid(prediction, clean), zero_invalid(clean, clean))
    invalid = ~clean[0].isfinite().all(0)
    return {
        name: gradient[0].norm(dim=0).masked_fill(invalid, torch.nan).cpu()
        for name, gradient in term_gradients(terms, prediction).items()
    }


__all__ = ["pull_maps"]
