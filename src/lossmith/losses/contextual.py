"""The contextual loss, which compares pictures that are not aligned."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize as to_length_1
from torch.utils.checkpoint import checkpoint

from lossmith.errors import LossmithError, unknown
from lossmith.losses.perceptual import LayerLoss

EPSILON = 1e-5
AT_ONCE = 2**22
"""As many distances as are held at a time: 16 MB in float32."""


def cosine(ours: Tensor, theirs: Tensor) -> Tensor:
    """1 - cos of the angle between the features, seen from the mean of the target's; (N, I, J)."""
    mean = theirs.mean(1, keepdim=True)
    one = ours.new_ones(())  # rounding may leave a little less than 0, which EPSILON covers
    return torch.baddbmm(one, to_length_1(ours - mean, dim=2), to_length_1(theirs - mean, dim=2).mT, alpha=-1)


def l1(ours: Tensor, theirs: Tensor) -> Tensor:
    """The sum over channels of |difference|, (N, I, J)."""
    return torch.cdist(ours, theirs, p=1)


def l2(ours: Tensor, theirs: Tensor) -> Tensor:
    """The sum over channels of the squared difference, (N, I, J), from products, with what is common taken off."""
    mean = theirs.mean(1, keepdim=True)
    ours, theirs = ours - mean, theirs - mean
    squares = ours.square().sum(2)[:, :, None] + theirs.square().sum(2)[:, None, :]
    return (squares - 2 * ours @ theirs.mT).clamp(min=0)


PAIRWISE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cosine": cosine, "l1": l1, "l2": l2}


class Contextual(LayerLoss):
    """-log CX: whether every feature of the target is found in the prediction, wherever it may be.

    With d_ij the distance of the prediction's feature at place i to the target's at j, weighed against that of the
    nearest, w_ij = exp((1 - d_ij / (min_k d_ik + 1e-5)) / bandwidth), CX is the mean over j of the maximum over i
    of w_ij / sum_k w_ik. `distance` is cosine (of features seen from the mean of the target's own), l1 or l2
    (squared). Every picture is compared with its own target only.

    The distances are made in pieces, and once more for the slope, so that memory is bounded for maps of any size.

    Source: Mechrez, Talmi, Zelnik-Manor, ECCV 2018.
    """

    name = "contextual"
    formula = "weighted sum over layers of -log of the mean best contextual similarity of the target's features"
    bounds = "0 and up; identical pictures give 0 if no two of their features are alike"
    source = "Mechrez et al. 2018"

    def __init__(
        self,
        network: str | nn.Module,
        layers: str,
        distance: str = "cosine",
        bandwidth: float = 0.5,
        weights: str | None = None,
        normalize: str | None = "weights",
        precision: str = "full",
        reduction: str = "mean",
    ) -> None:
        if distance not in PAIRWISE:
            raise unknown("distance", distance, PAIRWISE)
        if not 1e-3 <= bandwidth <= 1e3:
            raise LossmithError(f"contextual: bandwidth must be from 0.001 to 1000, not {bandwidth}")
        super().__init__(network, layers, weights, normalize, precision, reduction)
        self.distance, self.bandwidth = distance, bandwidth

    def summary(self, features: Tensor) -> Tensor:
        """The features as a list of places, (N, H W, C)."""
        return features.flatten(2).mT.contiguous()

    def between(self, layer: int, ours: Tensor, theirs: Tensor) -> Tensor:
        return -contextual_similarity(ours, theirs, PAIRWISE[self.distance], self.bandwidth).log()


def contextual_similarity(
    ours: Tensor,
    theirs: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    bandwidth: float,
    at_once: int = AT_ONCE,
) -> Tensor:
    """CX of features (N, I, C) and (N, J, C): one value per picture, 1 at most."""

    def best(some: Tensor) -> Tensor:
        """For each of the target's features the best that these of the prediction offer, (N, J)."""
        distances = distance(some, theirs)
        # `min` and `max`, whose slopes cost less than those of `amin` and `amax`
        scale = bandwidth * (distances.min(2, keepdim=True).values + EPSILON)
        return (distances / -scale).softmax(2).max(1).values

    pieces = torch.split(ours, max(1, at_once // (theirs.shape[0] * theirs.shape[1])), 1)
    if len(pieces) == 1:
        return best(ours).mean(1)
    found = [checkpoint(best, piece, use_reentrant=False) for piece in pieces]
    return torch.stack(found).amax(0).mean(1)


__all__ = ["PAIRWISE", "Contextual", "contextual_similarity"]
