"""Pixel losses: L1, MSE, Charbonnier and total variation."""

import math

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.base import Loss


class L1Loss(Loss):
    """Mean absolute error, the mean of |prediction - target|.

    Parameters
    ----------
    reduction
        "mean", "sum" or "none", over the images.

    >>> import torch
    >>> L1Loss()(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.25)).item()
    0.25
    """

    name = "l1"
    formula = "mean of |prediction - target|"

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs().flatten(1).mean(1)


class MSELoss(Loss):
    """Mean squared error, the mean of (prediction - target)^2, without the factor 1/2 of Zhao et al.'s code.

    Parameters
    ----------
    reduction
        "mean", "sum" or "none", over the images.

    >>> import torch
    >>> MSELoss()(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5)).item()
    0.25
    """

    name = "l2"
    formula = "mean of (prediction - target)^2"

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).square().flatten(1).mean(1)


class CharbonnierLoss(Loss):
    """The Charbonnier loss, a smooth L1: the mean of sqrt((prediction - target)^2 + epsilon^2) - epsilon.

    Other implementations do not subtract epsilon, which changes no gradient and makes identical images give 0.

    Parameters
    ----------
    epsilon
        The error below which the loss is quadratic, in units of the images; 1e-30 at least.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        For an epsilon that is not finite or below 1e-30, which float32 would round to 0.

    References
    ----------
    Charbonnier et al., ICIP 1994; Lai et al., CVPR 2017 (epsilon 1e-3).
    """

    name = "charbonnier"
    formula = "mean of sqrt((prediction - target)^2 + epsilon^2) - epsilon"
    source = "Lai et al. 2017"

    def __init__(self, epsilon: float = 1e-3, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not 1e-30 <= epsilon < math.inf:  # below, float32 would round it to 0
            raise LossmithError(f"charbonnier: epsilon must be above 0 (1e-30 at least), not {epsilon}")
        self.epsilon = epsilon

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        epsilon = prediction.new_full((), self.epsilon)  # hypot never rounds epsilon^2, so hypot(0, e) is e
        return (torch.hypot(prediction - target, epsilon) - epsilon).flatten(1).mean(1)


class TVLoss(Loss):
    """Anisotropic total variation of the prediction; the target only has to have the same shape.

    The mean over vertical neighbors of |difference|^exponent plus the mean over horizontal neighbors.

    Parameters
    ----------
    exponent
        1 after Rudin et al., Physica D 1992, or 2 as in Johnson et al., ECCV 2016; any finite number from 1 up.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        For an exponent below 1, whose gradient is infinite at 0.

    >>> import torch
    >>> TVLoss()(torch.eye(2).expand(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)).item()
    2.0
    """

    name = "tv"
    formula = "mean |difference|^exponent of vertical plus of horizontal neighbors of the prediction"
    bounds = "0 and up; 0 for a flat prediction, whatever the target"
    kind = "prior"
    source = "Rudin et al. 1992"
    min_side = 2

    def __init__(self, exponent: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not 1 <= exponent < math.inf:
            raise LossmithError(f"tv: exponent must be at least 1, not {exponent}")
        self.exponent = exponent

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        variation = [prediction.diff(dim=axis).abs().pow(self.exponent).flatten(1).mean(1) for axis in (-2, -1)]
        return torch.stack(variation).sum(dim=0)
