"""The loss itself on images that were not trained on."""

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from lossmith.core.devices import best_device
from lossmith.data import ImagePair
from lossmith.degradations import resize
from lossmith.evaluation import restore_images
from lossmith.losses import Loss
from lossmith.losses.share_loss import has_shares, shares_followed
from lossmith.training.isolation import isolated_global_state
from lossmith.training.supervised import set_loss_progress
from lossmith.training.valid_pixels import zero_invalid


@isolated_global_state()
@torch.no_grad()
def validation_loss(loss: Loss, restorer: nn.Module, pairs: Sequence[ImagePair]) -> float:
    """The mean of a loss over restored images, each of which counts the same; NaN unless all values are finite.

    A loss that changes during a run is taken as it is at the end. It is computed in float32, whatever the
    precision of the training, and keeps no state of it. Percentages get the factors that give the terms their
    shares on the degraded images, enlarged to the size of the targets, so they are the same for all networks.

    Parameters
    ----------
    loss
        The loss; a copy in eval mode is used.
    restorer
        From (N, C, h, w) to (N, C, scale * h, scale * w).
    pairs
        The degraded images and their targets, at least as large as the loss needs. Pixels that are NaN in a target
        are 0 in both.

    Raises
    ------
    LossmithError
        When the network does not take an image.
    """
    torch.manual_seed(0)  # a loss may draw random numbers
    device = best_device()
    criterion = deepcopy(loss).to(device).eval()
    set_loss_progress(criterion, 1.0)
    _measure_shares(criterion, pairs)
    restored = restore_images(restorer.to(device).eval(), pairs)
    values = []
    for image, pair in zip(restored, pairs, strict=True):
        values.append(float(criterion(*_batch(image, pair.clean, device))))
    mean = sum(values) / len(values)
    return mean if math.isfinite(mean) else math.nan


def _measure_shares(criterion: Loss, pairs: Sequence[ImagePair]) -> None:
    if not has_shares(criterion):
        return
    for pair in pairs:
        enlarged = resize(pair.degraded, (pair.clean.shape[1], pair.clean.shape[2]))
        image, clean = _batch(enlarged, pair.clean, best_device())
        with torch.enable_grad(), shares_followed(criterion):
            criterion(image.requires_grad_(), clean)


def _batch(image: Tensor, clean: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """An image and its target as batches of one; pixels that are NaN in the target are 0 in both."""
    image, clean = (zero_invalid(each, clean)[None].to(device) for each in (image, clean))
    return image, clean
