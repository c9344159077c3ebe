"""The contextual similarity where distances are products, computed in pieces and together with its gradient."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from lossmith.losses.known_gradient import attach

EPSILON = 1e-5
AT_ONCE = 2**20
"""As many distances as are held at a time: 4 MB in float32, which stay in a processor's cache."""

Factors = tuple[Tensor, Tensor]
"""x, (N, I, K), and y, (N, J, K): the distance of place i in the prediction to j in the target is x_i . y_j."""


def cosine(ours: Tensor, theirs: Tensor) -> Factors:
    """1 - cos of the angle between the features, seen from the mean of the target's."""
    mean = theirs.mean(1, keepdim=True)
    ours, theirs = (normalize(features - mean, dim=2) for features in (ours, theirs))
    return pad(ours, (0, 1), value=1), pad(-theirs, (0, 1), value=1)


def l2(ours: Tensor, theirs: Tensor) -> Factors:
    """The sum over channels of the squared difference; what is common is taken off first, for the digits' sake."""
    mean = theirs.mean(1, keepdim=True)
    ours, theirs = ours - mean, theirs - mean
    x = torch.cat([pad(ours, (0, 1), value=1), ours.square().sum(2, keepdim=True)], 2)
    return x, pad(torch.cat([-2 * theirs, theirs.square().sum(2, keepdim=True)], 2), (0, 1), value=1)


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


def similarity(x: Tensor, y: Tensor, bandwidth: float, at_once: int = AT_ONCE) -> Tensor:
    """CX for the distances d = x . y, one value per picture; the gradient goes to x, and there is no second one.

    With the scales s_i = bandwidth (min_k d_ik + 1e-5), the scores -d_ij / s_i and the shares c_ij, their softmax
    over j, CX is the mean over j of max_i c_ij.
    """
    sought = torch.is_grad_enabled() and x.requires_grad
    with torch.no_grad():
        nothing = y.new_zeros(y.shape[:2])
        best, seen, start = Best(nothing - 1, nothing.long(), nothing), [], 0
        for piece in torch.split(x, max(1, at_once // nothing.numel()), 1):
            distances = torch.bmm(piece, y.mT).clamp_(min=0)  # rounding may leave a little less
            closest, nearest = distances.min(2, keepdim=True)
            scale = bandwidth * (closest + EPSILON)
            scores = distances.div_(-scale)  # in place, as what follows, since new memory is dear
            shares = torch.softmax(scores, 2)
            share, row = shares.max(1)
            best = best.or_better(Best(share, row + start, scores.gather(1, row[:, None])[:, 0]))
            if sought:
                mean = scores.mul_(shares).sum(2)
                seen.append(Seen(scale[..., 0], nearest[..., 0], mean, torch.bmm(shares, y)))
            start += piece.shape[1]
        value = best.share.mean(1)
        if not sought:
            return value
        gradient = _gradient(best, Seen(*(torch.cat(parts, 1) for parts in zip(*seen, strict=True))), y, bandwidth)
    return attach(value, x, gradient, "contextual")


def _gradient(best: Best, seen: Seen, y: Tensor, bandwidth: float) -> Tensor:
    """By x, (N, I, K).

    A share that is best depends on its own distance; on the others of its row, in the sum that it is a share of,
    in proportion to their shares; and on the nearest, which sets the scale.
    """
    won = best.share / best.share.shape[1] / seen.scale.gather(1, best.place)
    beyond = won * (seen.mean.gather(1, best.place) - best.score)
    nothing = torch.zeros_like(seen.scale)
    of_row, of_scale = (nothing.scatter_add(1, best.place, amounts) for amounts in (won, beyond))
    at = best.place[..., None].expand_as(y)
    gradient = (of_row[..., None] * seen.pull).scatter_add_(1, at, -won[..., None] * y)
    closest = y.gather(1, seen.nearest[..., None].expand_as(seen.pull))
    return gradient.addcmul_(of_scale[..., None] * bandwidth, closest)


__all__ = ["AT_ONCE", "EPSILON", "cosine", "l2", "similarity"]
