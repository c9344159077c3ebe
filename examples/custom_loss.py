"""Losses of your own, as a function and as a class.

In this folder, or wherever Python finds this module:

    lossmith compare photos/ --degradation "jpeg(10)" --losses l1 "l1 + custom_loss:edges" \\
        "l1 + 0.5*custom_loss:EdgeLoss(order=2)"
"""

from torch import Tensor

from lossmith.losses import Loss


def edges(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean absolute difference of horizontal and vertical gradients: a scalar, to be minimized."""
    error = prediction - target
    return error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


class EdgeLoss(Loss):
    """The same as a class, with an option and one value per image.

    Parameters
    ----------
    order
        Of the finite difference.
    reduction
        "mean", "sum" or "none".
    """

    name = "edges"
    formula = "mean of |gradient of prediction - gradient of target|, horizontal + vertical"

    def __init__(self, order: int = 1, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.order = order
        self.min_side = order + 1

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(N, C, H, W) images, checked and in float32 or float64, to (N,)."""
        error = prediction - target
        horizontal, vertical = (error.diff(n=self.order, dim=axis).abs().flatten(1).mean(1) for axis in (3, 2))
        return horizontal + vertical
