"""The contextual loss, which compares pictures that are not aligned."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lossmith.errors import LossmithError, unknown
from lossmith.losses import contextual_products as products
from lossmith.losses.perceptual import LayerLoss, Layers
from lossmith.losses.transforms import differentiated, transformed

DISTANCES = ("cosine", "l1", "l2")


class Contextual(LayerLoss):
    """-log CX: whether every feature of the target is found in the prediction, wherever it may be.

    With d_ij the distance of the prediction's feature at place i to the target's at j, weighed against that of the
    nearest, w_ij = exp((1 - d_ij / (min_k d_ik + 1e-5)) / bandwidth), CX is the mean over j of the maximum over i
    of w_ij / sum_k w_ik. `distance` is cosine (of features seen from the mean of the target's own), l1 or l2
    (squared). Every picture is compared with its own target only.

    The distances are made in pieces, so that memory is bounded for maps of any size. Of cosine and l2, which are
    products, the slope is computed together with them, and there is no second derivative; l1 is many times slower.
    Under `torch.func`, `torch.jit.trace` and `torch.export` they are made at once, and differentiated twice.

    Source: Mechrez, Talmi, Zelnik-Manor, ECCV 2018.
    """

    name = "contextual"
    formula = "weighted sum over layers of -log of the mean best contextual similarity of the target's features"
    bounds = "0 and up; identical pictures give 0 if no two of their features are alike"
    source = "Mechrez et al. 2018"

    def __init__(
        self,
        network: str | nn.Module,
        layers: Layers,
        distance: str = "cosine",
        bandwidth: float = 0.5,
        weights: str | None = None,
        normalize: str | None = "weights",
        precision: str = "full",
        gray: str = "refuse",
        reduction: str = "mean",
    ) -> None:
        if distance not in DISTANCES:
            raise unknown("distance", distance, DISTANCES)
        if not 1e-3 <= bandwidth <= 1e3:
            raise LossmithError(f"contextual: bandwidth must be from 0.001 to 1000, not {bandwidth}")
        super().__init__(network, layers, weights, normalize, precision, gray, reduction)
        self.distance, self.bandwidth = distance, bandwidth

    def summary(self, features: Tensor) -> Tensor:
        """The features as a list of places, (N, H W, C)."""
        return features.flatten(2).mT

    def between(self, layer: int, ours: Tensor, theirs: Tensor) -> Tensor:
        return -contextual_similarity(ours, theirs, self.distance, self.bandwidth).log()


def contextual_similarity(
    ours: Tensor, theirs: Tensor, distance: str, bandwidth: float, at_once: int = products.AT_ONCE
) -> Tensor:
    """CX of features (N, I, C) and (N, J, C): one value per picture, 1 at most."""
    whole = transformed(ours, theirs)
    if distance in products.DISTANCES and not whole:
        return products.similarity(ours, theirs, products.DISTANCES[distance], bandwidth, at_once)

    def best(some: Tensor) -> Tensor:
        """For each of the target's features the best that these of the prediction offer, (N, J)."""
        distances = distances_between(some, theirs, distance)
        # `min` and `max`, whose slopes cost less than those of `amin` and `amax`
        scale = bandwidth * (distances.min(2, keepdim=True).values.clamp(min=0) + products.EPSILON)
        return (distances / -scale).softmax(2).max(1).values

    if whole:
        return best(ours).mean(1)
    pieces = torch.split(ours, max(1, at_once // (theirs.shape[0] * theirs.shape[1])), 1)
    if len(pieces) == 1:
        return best(ours).mean(1)
    found = ours.new_zeros(theirs.shape[:2])
    for piece in pieces:
        found = torch.maximum(found, checkpoint(best, piece, use_reentrant=False))
    return found.mean(1)


def distances_between(ours: Tensor, theirs: Tensor, distance: str) -> Tensor:
    """Those of every place to every other, (N, I, J)."""
    if distance in products.DISTANCES:
        x, y, offset, _ = products.DISTANCES[distance].factors(ours, theirs)
        return offset - x @ y.mT
    if differentiated(ours):  # of which `cdist` makes nothing, or something wrong; this takes much memory
        return (ours[:, :, None] - theirs[:, None]).abs().sum(3)
    return torch.cdist(ours, theirs, p=1)


__all__ = ["DISTANCES", "Contextual", "contextual_similarity"]
