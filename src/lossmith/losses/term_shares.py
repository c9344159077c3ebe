"""Which term of a loss pulls how much at a prediction, and against which others."""

from copy import deepcopy

import torch
from torch import Tensor

from lossmith.losses.base import LossLike
from lossmith.losses.gradients import GradientShares, shares_of, term_gradients
from lossmith.losses.pair_check import check_pair
from lossmith.losses.registry import as_loss
from lossmith.losses.share_loss import shares_found


def gradient_shares(loss: LossLike, prediction: Tensor, target: Tensor) -> GradientShares:
    """Which term of a loss pulls how much at a prediction, by the norm of its gradient.

    A weight says little of this: 0.1 of one loss can pull ten times as much as another. A loss that is no sum
    has one term. The loss and the images stay untouched: a copy of the loss is asked. Percentages have the
    factors that they were measured to have, or, where they were not, those of a first training step on these
    images.

    Parameters
    ----------
    loss
        An expression, a loss, or a module or function of (prediction, target).
    prediction, target
        The images, (N, C, H, W), in [0, 1].

    Raises
    ------
    LossmithError
        For an expression that cannot be understood, and for images that the loss does not take.

    >>> x = torch.full((1, 1, 2, 2), 0.5)
    >>> gradient_shares("3*l1 + l2", x, torch.zeros_like(x)).shares
    {'3*l1': 0.75, 'l2': 0.25}
    """
    with torch.inference_mode(False), torch.enable_grad():
        criterion = deepcopy(as_loss(loss))
        with torch.no_grad():  # where a target may require a gradient
            check_pair(prediction, target, criterion, criterion.min_side)
        leaf = prediction.detach().clone().requires_grad_()
        with shares_found(criterion):
            terms = criterion.terms(leaf, target.detach().clone())
        return shares_of(term_gradients(terms, leaf))


__all__ = ["gradient_shares"]
