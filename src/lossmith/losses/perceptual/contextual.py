"""The contextual loss, which compares images that are not aligned."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.losses.autograd import with_gradient
from lossmith.losses.function_transforms import differentiated, transformed
from lossmith.losses.perceptual.base import LayerLoss, Layers
from lossmith.losses.precomputed import Bands

EPSILON = 1e-5
CHUNK_SIZE = 2**20
"""The number of distances that are held at a time: 4 MB in float32, which stay in a processor's cache."""


class Products(NamedTuple):
    """Factors of distances: that of position i in the prediction to j in the target is offset - x_i . y_j."""

    x: Tensor
    """(N, I, K)."""
    y: Tensor
    """(N, J, K)."""
    offset: float
    context: Tensor
    """What `backward` needs."""


class Cosine:
    """1 - cosine of the angle between features, centered on the mean of the target's features."""

    @staticmethod
    def factors(prediction: Tensor, target: Tensor) -> Products:
        mean = target.mean(1, keepdim=True)
        (x, inverse), (y, _) = (_unit(features - mean) for features in (prediction, target))
        return Products(x, y, 1, inverse)

    @staticmethod
    def backward(gradient: Tensor, factors: Products) -> Tensor:
        """The gradient by `prediction`, from that by x, which is overwritten."""
        along = torch.linalg.vecdot(factors.x, gradient)[..., None]
        return gradient.addcmul_(factors.x, along, value=-1).mul_(factors.context)


class L2:
    """The sum over channels of the squared difference."""

    @staticmethod
    def factors(prediction: Tensor, target: Tensor) -> Products:
        mean = target.mean(1, keepdim=True)  # subtracted first, which loses fewer digits
        prediction, target = prediction - mean, target - mean
        one = torch.ones_like(prediction[..., :1])
        x = torch.cat([2 * prediction, -prediction.square().sum(2, keepdim=True), one], 2)
        one = torch.ones_like(target[..., :1])
        return Products(x, torch.cat([target, one, -target.square().sum(2, keepdim=True)], 2), 0, prediction)

    @staticmethod
    def backward(gradient: Tensor, factors: Products) -> Tensor:
        """The gradient by `prediction`, from that by x."""
        return 2 * (gradient[..., :-2] - factors.context * gradient[..., -2:-1])


Distance = type[Cosine] | type[L2]
PRODUCT_DISTANCES: dict[str, Distance] = {"cosine": Cosine, "l2": L2}


class BestMatch(NamedTuple):
    """For each feature of the target, (N, J), the prediction's feature with the greatest share c_ij."""

    share: Tensor
    place: Tensor
    score: Tensor

    def or_better(self, other: "BestMatch") -> "BestMatch":
        better = other.share > self.share
        share = torch.maximum(self.share, other.share)  # propagates NaN
        return BestMatch(share, *(torch.where(better, *pair) for pair in zip(other[1:], self[1:], strict=True)))


class RowStats(NamedTuple):
    """What the gradient needs for each feature of the prediction, (N, I)."""

    scale: Tensor
    nearest: Tensor
    """The index of the nearest feature of the target."""
    mean: Tensor
    """The mean of the scores, weighted by their shares."""
    pull: Tensor
    """The mean of the target's y, weighted by their shares, (N, I, K)."""


def similarity(
    prediction: Tensor, target: Tensor, distance: Distance, bandwidth: float, chunk_size: int = CHUNK_SIZE
) -> Tensor:
    """CX of features (N, I, C) and (N, J, C), (N,), with a first derivative by the prediction.

    With the scales s_i = bandwidth (min_k d_ik + 1e-5), the scores x_i . y_j / s_i and the shares c_ij, which
    are the softmax of the scores over j (the offset cancels), CX is the mean over j of max_i c_ij.
    """
    need_grad = torch.is_grad_enabled() and prediction.requires_grad
    values, gradients = [], []
    # as many images at a time as fit into the cache
    images = max(1, chunk_size // (prediction.shape[1] * target.shape[1]))
    with torch.no_grad():
        for chunk in zip(torch.split(prediction, images), torch.split(target, images), strict=True):
            factors = distance.factors(*(features.contiguous() for features in chunk))
            best, rows = _compare(factors, bandwidth, chunk_size, need_grad)
            values.append(best.share.mean(1))
            if rows is not None:
                gradients.append(distance.backward(_gradient(best, rows, factors.y, bandwidth), factors))
    value = torch.cat(values)
    return with_gradient(value, prediction, torch.cat(gradients), "contextual") if need_grad else value


def _compare(
    factors: Products, bandwidth: float, chunk_size: int, need_grad: bool
) -> tuple[BestMatch, RowStats | None]:
    x, y = factors.x, factors.y
    best, rows, start = None, [], 0
    for piece in torch.split(x, max(1, chunk_size // (len(y) * y.shape[1])), 1):
        scores = _product(piece, y.mT)
        closest, nearest = scores.max(2, keepdim=True)
        distance = (factors.offset - closest).clamp(min=0)  # rounding may make it negative
        scale = bandwidth * (distance + EPSILON)
        shares = torch.softmax(scores.div_(scale), 2)  # in place, since allocating memory is slow
        share, row = _highest(shares)
        match = BestMatch(share, row + start, scores.gather(1, row[:, None])[:, 0])
        best = match if best is None else best.or_better(match)
        start += piece.shape[1]
        if need_grad:
            mean = scores.mul_(shares).sum(2)
            rows.append(RowStats(scale[..., 0], nearest[..., 0], mean, _product(shares, y)))
    assert best is not None
    return best, _concatenated(rows) if need_grad else None


def _concatenated(rows: list[RowStats]) -> RowStats:
    return rows[0] if len(rows) == 1 else RowStats(*(torch.cat(parts, 1) for parts in zip(*rows, strict=True)))


def _product(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product of each image; for a single image `mm` is a little faster than `bmm`."""
    return (a[0] @ b[0])[None] if len(a) == 1 else torch.bmm(a, b)


def _highest(values: Tensor, group: int = 32) -> tuple[Tensor, Tensor]:
    """The maxima of (N, I, J) over i and where they are, (N, J).

    `max` over a dimension that is not the last takes several times as long as `amax`; so `amax` finds the
    maximum of each group of rows, and `max` only the best group and the position in it.
    """
    if values.shape[1] % group:
        highest, row = values.max(1)
        return highest, row
    groups = values.view(len(values), -1, group, values.shape[2])
    first = groups.amax(2).max(1).indices
    inside = groups.gather(1, first[:, None, None].expand(-1, -1, group, -1))[:, 0]
    highest, row = inside.max(1)
    return highest, first * group + row


def _gradient(best: BestMatch, rows: RowStats, y: Tensor, bandwidth: float) -> Tensor:
    """The gradient of CX by x, (N, I, K).

    A best share depends on its own score; on the other scores of its row, through the softmax, in proportion to
    their shares; and on the nearest feature, which sets the scale.
    """
    won = best.share / best.share.shape[1] / rows.scale.gather(1, best.place)
    excess = won * (best.score - rows.mean.gather(1, best.place))
    nothing = torch.zeros_like(rows.scale)
    of_row, of_scale = (nothing.scatter_add(1, best.place, amounts) for amounts in (won, excess))
    at = best.place[..., None].expand_as(y)
    gradient = rows.pull.mul_(-of_row[..., None]).scatter_add_(1, at, won[..., None] * y)
    closest = y.gather(1, rows.nearest[..., None].expand_as(rows.pull))
    return gradient.addcmul_(of_scale[..., None] * bandwidth, closest)


def _unit(features: Tensor) -> tuple[Tensor, Tensor]:
    """The features scaled to length 1, and the factors of that."""
    inverse = torch.linalg.vector_norm(features, dim=2, keepdim=True).clamp(min=1e-12).reciprocal()
    return features * inverse, inverse


DISTANCES = ("cosine", "l1", "l2")


class ContextualLoss(LayerLoss):
    """-log CX: whether every feature of the target occurs in the prediction, at any position.

    With the distance d_ij of the prediction's feature at position i to the target's at j, relative to that of the
    nearest, w_ij = exp((1 - d_ij / (min_k d_ik + 1e-5)) / bandwidth), CX is the mean over j of the maximum over
    i of w_ij / sum_k w_ik. Every image is compared with its own target only.

    Distances are computed in chunks, so that memory is bounded for maps of any size. The gradients of cosine and
    l2 are computed together with the value, and there is no second derivative. Under `torch.func`,
    `torch.jit.trace` and `torch.export` all distances are computed at once, and there is one.

    Parameters
    ----------
    network, layers
        See `LayerLoss`.
    distance
        cosine (of features centered on the mean of the target's), l1, which is many times slower, or l2 (squared).
    bandwidth
        0.001 to 1000; a small one counts only the nearest features.
    weights, normalize, precision
        See `FeatureExtractor`.
    gray
        "refuse" images of one channel, or "repeat" the channel.
    bands
        Which channels of the image the network gets, counted from 0, such as "4,2,0"; by default all.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        For an unknown distance, a bandwidth out of range, and as `PerceptualLoss` does.

    References
    ----------
    Mechrez, Talmi, Zelnik-Manor, The contextual loss for image transformation with non-aligned data, ECCV 2018.
    """

    name = "contextual"
    formula = "weighted sum over layers of -log of the mean best contextual similarity of the target's features"
    bounds = "0 and up; identical images give 0 if no two of their features are alike"
    kind = "statistics"
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
        bands: Bands = None,
        reduction: str = "mean",
    ) -> None:
        if distance not in DISTANCES:
            raise unknown_name_error("distance", distance, DISTANCES)
        if not 1e-3 <= bandwidth <= 1e3:
            raise LossmithError(f"contextual: bandwidth must be from 0.001 to 1000, not {bandwidth}")
        super().__init__(network, layers, weights, normalize, precision, gray, bands, reduction)
        self.distance, self.bandwidth = distance, bandwidth

    def statistic(self, features: Tensor) -> Tensor:
        """The features as a list of positions, (N, H W, C)."""
        return features.flatten(2).mT

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        return -contextual_similarity(prediction, target, self.distance, self.bandwidth).log()


def contextual_similarity(
    prediction: Tensor, target: Tensor, distance: str, bandwidth: float, chunk_size: int = CHUNK_SIZE
) -> Tensor:
    """CX of features (N, I, C) and (N, J, C), (N,), at most 1.

    `distance` and `bandwidth` are those of `ContextualLoss`; `chunk_size` is the number of distances held at a
    time.
    """
    unchunked = transformed(prediction, target)
    if distance in PRODUCT_DISTANCES and not unchunked:
        return similarity(prediction, target, PRODUCT_DISTANCES[distance], bandwidth, chunk_size)

    def best(chunk: Tensor) -> Tensor:
        """For each feature of the target its best share among these features of the prediction, (N, J)."""
        distances = distances_between(chunk, target, distance)
        # the gradients of `min` and `max` cost less than those of `amin` and `amax`
        scale = bandwidth * (distances.min(2, keepdim=True).values.clamp(min=0) + EPSILON)
        return (distances / -scale).softmax(2).max(1).values

    if unchunked:
        return best(prediction).mean(1)
    pieces = torch.split(prediction, max(1, chunk_size // (target.shape[0] * target.shape[1])), 1)
    if len(pieces) == 1:
        return best(prediction).mean(1)
    shares = prediction.new_zeros(target.shape[:2])
    for piece in pieces:
        shares = torch.maximum(shares, checkpoint(best, piece, use_reentrant=False))
    return shares.mean(1)


def distances_between(prediction: Tensor, target: Tensor, distance: str) -> Tensor:
    """The distances of every position of the prediction to every position of the target, (N, I, J)."""
    if distance in PRODUCT_DISTANCES:
        x, y, offset, _ = PRODUCT_DISTANCES[distance].factors(prediction, target)
        return offset - x @ y.mT
    if differentiated(prediction):  # `cdist` fails, or is wrong, there; this takes much memory
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
