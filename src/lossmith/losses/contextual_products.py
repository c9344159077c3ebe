"""The contextual similarity where closeness is a product, computed in pieces and together with its gradient."""

from typing import NamedTuple

import torch
from torch import Tensor

from lossmith.losses.known_gradient import attach

EPSILON = 1e-5
AT_ONCE = 2**20
"""As many distances as are held at a time: 4 MB in float32, which stay in a processor's cache."""


class Factors(NamedTuple):
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
    def factors(ours: Tensor, theirs: Tensor) -> Factors:
        mean = theirs.mean(1, keepdim=True)
        (x, inverse), (y, _) = (_unit(features - mean) for features in (ours, theirs))
        return Factors(x, y, 1, inverse)

    @staticmethod
    def back(gradient: Tensor, factors: Factors) -> Tensor:
        """The gradient by `ours` for that by x, which is used up."""
        along = torch.linalg.vecdot(factors.x, gradient)[..., None]
        return gradient.addcmul_(factors.x, along, value=-1).mul_(factors.slope)


class L2:
    """The sum over channels of the squared difference."""

    @staticmethod
    def factors(ours: Tensor, theirs: Tensor) -> Factors:
        mean = theirs.mean(1, keepdim=True)  # what is common is taken off first, for the digits' sake
        ours, theirs = ours - mean, theirs - mean
        one = torch.ones_like(ours[..., :1])
        x = torch.cat([2 * ours, -ours.square().sum(2, keepdim=True), one], 2)
        one = torch.ones_like(theirs[..., :1])
        return Factors(x, torch.cat([theirs, one, -theirs.square().sum(2, keepdim=True)], 2), 0, ours)

    @staticmethod
    def back(gradient: Tensor, factors: Factors) -> Tensor:
        return 2 * (gradient[..., :-2] - factors.slope * gradient[..., -2:-1])


Distance = type[Cosine] | type[L2]
DISTANCES: dict[str, Distance] = {"cosine": Cosine, "l2": L2}


class Best(NamedTuple):
    """For each of the target's features, (N, J), the greatest share that one of the prediction's has in it."""

    share: Tensor
    place: Tensor
    score: Tensor

    def or_better(self, other: "Best") -> "Best":
        better = other.share > self.share
        share = torch.maximum(self.share, other.share)  # which hands a NaN on
        return Best(share, *(torch.where(better, *pair) for pair in zip(other[1:], self[1:], strict=True)))


class Seen(NamedTuple):
    """What the gradient needs to know of each of the prediction's features, (N, I)."""

    scale: Tensor
    nearest: Tensor
    """Which of the target's features that is."""
    mean: Tensor
    """Of the scores, weighed by their shares."""
    pull: Tensor
    """Of the target's y, weighed by their shares, (N, I, K)."""


def similarity(
    ours: Tensor, theirs: Tensor, distance: Distance, bandwidth: float, at_once: int = AT_ONCE
) -> Tensor:
    """CX of features (N, I, C) and (N, J, C), one value per picture; the gradient goes to ours, once.

    With the scales s_i = bandwidth (min_k d_ik + 1e-5), the scores x_i . y_j / s_i and the shares c_ij, their
    softmax over j, to which the offset makes no difference, CX is the mean over j of max_i c_ij.
    """
    sought = torch.is_grad_enabled() and ours.requires_grad
    values, gradients = [], []
    # as many pictures at a time as fit, since whatever is done to what lies in the cache is cheap
    pictures = max(1, at_once // (ours.shape[1] * theirs.shape[1]))
    with torch.no_grad():
        for some in zip(torch.split(ours, pictures), torch.split(theirs, pictures), strict=True):
            factors = distance.factors(*(features.contiguous() for features in some))
            best, seen = _compare(factors, bandwidth, at_once, sought)
            values.append(best.share.mean(1))
            if seen is not None:
                gradients.append(distance.back(_gradient(best, seen, factors.y, bandwidth), factors))
    value = torch.cat(values)
    return attach(value, ours, torch.cat(gradients), "contextual") if sought else value


def _compare(factors: Factors, bandwidth: float, at_once: int, sought: bool) -> tuple[Best, Seen | None]:
    x, y = factors.x, factors.y
    best, seen, start = None, [], 0
    for piece in torch.split(x, max(1, at_once // (len(y) * y.shape[1])), 1):
        scores = _product(piece, y.mT)
        closest, nearest = scores.max(2, keepdim=True)
        distance = (factors.offset - closest).clamp(min=0)  # of which rounding may leave a little less
        scale = bandwidth * (distance + EPSILON)
        shares = torch.softmax(scores.div_(scale), 2)  # in place, since new memory is dear
        share, row = _highest(shares)
        found = Best(share, row + start, scores.gather(1, row[:, None])[:, 0])
        best = found if best is None else best.or_better(found)
        start += piece.shape[1]
        if sought:
            mean = scores.mul_(shares).sum(2)
            seen.append(Seen(scale[..., 0], nearest[..., 0], mean, _product(shares, y)))
    assert best is not None
    return best, _joined(seen) if sought else None


def _joined(seen: list[Seen]) -> Seen:
    return seen[0] if len(seen) == 1 else Seen(*(torch.cat(parts, 1) for parts in zip(*seen, strict=True)))


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Of each picture; a single one's is a little faster as `mm`."""
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


def _gradient(best: Best, seen: Seen, y: Tensor, bandwidth: float) -> Tensor:
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


__all__ = ["AT_ONCE", "DISTANCES", "EPSILON", "L2", "Cosine", "Distance", "similarity"]
