"""The contextual loss, which compares images that are not aligned."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.losses.autograd import with_gradient
from lossmith.losses.function_transforms import differentiated, transformed
from lossmith.losses.perceptual.base import LayerLoss, Layers

EPSILON = 1e-5
CHUNK_SIZE = 2**20
"""As many distances as are held at a time: 4 MB in float32, which stay in a processor's cache."""


class Products(NamedTuple):
    """The distance of place i in the prediction to j in the target is offset - x_i . y_j."""

    x: Tensor
    """(N, I, K)."""
    y: Tensor
    """(N, J, K)."""
    offset: float
    slope: Tensor
    """What `back` needs to know."""


class Cosine:
    """1 - cos of the angle between the features, seen from the mean of the target's."""

    @staticmethod
    def factors(prediction: Tensor, target: Tensor) -> Products:
        mean = target.mean(1, keepdim=True)
        (x, inverse), (y, _) = (_unit(features - mean) for features in (prediction, target))
        return Products(x, y, 1, inverse)

    @staticmethod
    def back(gradient: Tensor, factors: Products) -> Tensor:
        """The gradient by `prediction` for that by x, which is used up."""
        along = torch.linalg.vecdot(factors.x, gradient)[..., None]
        return gradient.addcmul_(factors.x, along, value=-1).mul_(factors.slope)


class L2:
    """The sum over channels of the squared difference."""

    @staticmethod
    def factors(prediction: Tensor, target: Tensor) -> Products:
        mean = target.mean(1, keepdim=True)  # what is common is taken off first, for the digits' sake
        prediction, target = prediction - mean, target - mean
        one = torch.ones_like(prediction[..., :1])
        x = torch.cat([2 * prediction, -prediction.square().sum(2, keepdim=True), one], 2)
        one = torch.ones_like(target[..., :1])
        return Products(x, torch.cat([target, one, -target.square().sum(2, keepdim=True)], 2), 0, prediction)

    @staticmethod
    def back(gradient: Tensor, factors: Products) -> Tensor:
        return 2 * (gradient[..., :-2] - factors.slope * gradient[..., -2:-1])


Distance = type[Cosine] | type[L2]
PRODUCT_DISTANCES: dict[str, Distance] = {"cosine": Cosine, "l2": L2}


class BestMatch(NamedTuple):
    """For each of the target's features, (N, J), the greatest share that one of the prediction's has in it."""

    share: Tensor
    place: Tensor
    score: Tensor

    def or_better(self, other: "BestMatch") -> "BestMatch":
        better = other.share > self.share
        share = torch.maximum(self.share, other.share)  # which hands a NaN on
        return BestMatch(share, *(torch.where(better, *pair) for pair in zip(other[1:], self[1:], strict=True)))


class RowStats(NamedTuple):
    """What the gradient needs to know of each of the prediction's features, (N, I)."""

    scale: Tensor
    nearest: Tensor
    """Which of the target's features that is."""
    mean: Tensor
    """Of the scores, weighed by their shares."""
    pull: Tensor
    """Of the target's y, weighed by their shares, (N, I, K)."""


def similarity(
    prediction: Tensor, target: Tensor, distance: Distance, bandwidth: float, chunk_size: int = CHUNK_SIZE
) -> Tensor:
    """CX of features (N, I, C) and (N, J, C), one value per image; the gradient goes to ours, once.

    With the scales s_i = bandwidth (min_k d_ik + 1e-5), the scores x_i . y_j / s_i and the shares c_ij, their
    softmax over j, to which the offset makes no difference, CX is the mean over j of max_i c_ij.
    """
    sought = torch.is_grad_enabled() and prediction.requires_grad
    values, gradients = [], []
    # as many images at a time as fit, since whatever is done to what lies in the cache is cheap
    images = max(1, chunk_size // (prediction.shape[1] * target.shape[1]))
    with torch.no_grad():
        for some in zip(torch.split(prediction, images), torch.split(target, images), strict=True):
            factors = distance.factors(*(features.contiguous() for features in some))
            best, seen = _compare(factors, bandwidth, chunk_size, sought)
            values.append(best.share.mean(1))
            if seen is not None:
                gradients.append(distance.back(_gradient(best, seen, factors.y, bandwidth), factors))
    value = torch.cat(values)
    return with_gradient(value, prediction, torch.cat(gradients), "contextual") if sought else value


def _compare(
    factors: Products, bandwidth: float, chunk_size: int, sought: bool
) -> tuple[BestMatch, RowStats | None]:
    x, y = factors.x, factors.y
    best, seen, start = None, [], 0
    for piece in torch.split(x, max(1, chunk_size // (len(y) * y.shape[1])), 1):
        scores = _product(piece, y.mT)
        closest, nearest = scores.max(2, keepdim=True)
        distance = (factors.offset - closest).clamp(min=0)  # of which rounding may leave a little less
        scale = bandwidth * (distance + EPSILON)
        shares = torch.softmax(scores.div_(scale), 2)  # in place, since new memory is dear
        share, row = _highest(shares)
        found = BestMatch(share, row + start, scores.gather(1, row[:, None])[:, 0])
        best = found if best is None else best.or_better(found)
        start += piece.shape[1]
        if sought:
            mean = scores.mul_(shares).sum(2)
            seen.append(RowStats(scale[..., 0], nearest[..., 0], mean, _product(shares, y)))
    assert best is not None
    return best, _joined(seen) if sought else None


def _joined(seen: list[RowStats]) -> RowStats:
    return seen[0] if len(seen) == 1 else RowStats(*(torch.cat(parts, 1) for parts in zip(*seen, strict=True)))


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Of each image; a single one's is a little faster as `mm`."""
    return (a[0] @ b[0])[None] if len(a) == 1 else torch.bmm(a, b)


def _highest(values: Tensor, group: int = 32) -> tuple[Tensor, Tensor]:
    """The maxima of (N, I, J) over i and where they are, (N, J).

    `max` over a dimension that is not the last takes several times as long as `amax`; so it is asked only which
    group of rows has the maximum, and where in that group it is.
    """
    if values.shape[1] % group:
        highest, row = values.max(1)
        return highest, row
    groups = values.view(len(values), -1, group, values.shape[2])
    first = groups.amax(2).max(1).indices
    inside = groups.gather(1, first[:, None, None].expand(-1, -1, group, -1))[:, 0]
    highest, row = inside.max(1)
    return highest, first * group + row


def _gradient(best: BestMatch, seen: RowStats, y: Tensor, bandwidth: float) -> Tensor:
    """By x, (N, I, K).

    A share that is best depends on its own score; on the others of its row, in the sum that it is a share of,
    in proportion to their shares; and on the nearest, which sets the scale.
    """
    won = best.share / best.share.shape[1] / seen.scale.gather(1, best.place)
    beyond = won * (best.score - seen.mean.gather(1, best.place))
    nothing = torch.zeros_like(seen.scale)
    of_row, of_scale = (nothing.scatter_add(1, best.place, amounts) for amounts in (won, beyond))
    at = best.place[..., None].expand_as(y)
    gradient = seen.pull.mul_(-of_row[..., None]).scatter_add_(1, at, won[..., None] * y)
    closest = y.gather(1, seen.nearest[..., None].expand_as(seen.pull))
    return gradient.addcmul_(of_scale[..., None] * bandwidth, closest)


def _unit(features: Tensor) -> tuple[Tensor, Tensor]:
    """Of length 1, and what they were multiplied by."""
    inverse = torch.linalg.vector_norm(features, dim=2, keepdim=True).clamp(min=1e-12).reciprocal()
    return features * inverse, inverse


DISTANCES = ("cosine", "l1", "l2")


class ContextualLoss(LayerLoss):
    """-log CX: whether every feature of the target is found in the prediction, wherever it may be.

    With d_ij the distance of the prediction's feature at place i to the target's at j, weighed against that of the
    nearest, w_ij = exp((1 - d_ij / (min_k d_ik + 1e-5)) / bandwidth), CX is the mean over j of the maximum over i
    of w_ij / sum_k w_ik. `distance` is cosine (of features seen from the mean of the target's own), l1 or l2
    (squared). Every image is compared with its own target only.

    The distances are made in pieces, so that memory is bounded for maps of any size. Of cosine and l2, which are
    products, the slope is computed together with them, and there is no second derivative; l1 is many times slower.
    Under `torch.func`, `torch.jit.trace` and `torch.export` they are made at once, and differentiated twice.

    Source: Mechrez, Talmi, Zelnik-Manor, ECCV 2018.
    """

    name = "contextual"
    formula = "weighted sum over layers of -log of the mean best contextual similarity of the target's features"
    bounds = "0 and up; identical images give 0 if no two of their features are alike"
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
            raise unknown_name_error("distance", distance, DISTANCES)
        if not 1e-3 <= bandwidth <= 1e3:
            raise LossmithError(f"contextual: bandwidth must be from 0.001 to 1000, not {bandwidth}")
        super().__init__(network, layers, weights, normalize, precision, gray, reduction)
        self.distance, self.bandwidth = distance, bandwidth

    def statistic(self, features: Tensor) -> Tensor:
        """The features as a list of places, (N, H W, C)."""
        return features.flatten(2).mT

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        return -contextual_similarity(prediction, target, self.distance, self.bandwidth).log()


def contextual_similarity(
    prediction: Tensor, target: Tensor, distance: str, bandwidth: float, chunk_size: int = CHUNK_SIZE
) -> Tensor:
    """CX of features (N, I, C) and (N, J, C): one value per image, 1 at most."""
    whole = transformed(prediction, target)
    if distance in PRODUCT_DISTANCES and not whole:
        return similarity(prediction, target, PRODUCT_DISTANCES[distance], bandwidth, chunk_size)

    def best(some: Tensor) -> Tensor:
        """For each of the target's features the best that these of the prediction offer, (N, J)."""
        distances = distances_between(some, target, distance)
        # `min` and `max`, whose slopes cost less than those of `amin` and `amax`
        scale = bandwidth * (distances.min(2, keepdim=True).values.clamp(min=0) + EPSILON)
        return (distances / -scale).softmax(2).max(1).values

    if whole:
        return best(prediction).mean(1)
    pieces = torch.split(prediction, max(1, chunk_size // (target.shape[0] * target.shape[1])), 1)
    if len(pieces) == 1:
        return best(prediction).mean(1)
    found = prediction.new_zeros(target.shape[:2])
    for piece in pieces:
        found = torch.maximum(found, checkpoint(best, piece, use_reentrant=False))
    return found.mean(1)


def distances_between(prediction: Tensor, target: Tensor, distance: str) -> Tensor:
    """Those of every place to every other, (N, I, J)."""
    if distance in PRODUCT_DISTANCES:
        x, y, offset, _ = PRODUCT_DISTANCES[distance].factors(prediction, target)
        return offset - x @ y.mT
    if differentiated(prediction):  # of which `cdist` makes nothing, or something wrong; this takes much memory
        return (prediction[:, :, None] - target[:, None]).abs().sum(3)
    return torch.cdist(prediction, target, p=1)


__all__ = [
    "CHUNK_SIZE",
    "DISTANCES",
    "EPSILON",
    "L2",
    "PRODUCT_DISTANCES",
    "ContextualLoss",
    "Cosine",
    "Distance",
    "contextual_similarity",
    "similarity",
]
