"""The gradients of the terms of a loss to the prediction, and what they say of the terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.linalg import vector_norm

from lossmith.losses.structural.filtering import widest_float


@dataclass(frozen=True)
class GradientShares:
    """How the terms of a loss pull at a prediction, by their names in `Loss.terms`."""

    shares: dict[str, float]
    """The norm of each term's gradient over the sum of the norms, 0 to 1; all are 0 where no term has
    a gradient."""
    norms: dict[str, float]
    """The Euclidean norm of each term's gradient to the prediction, with the term's weight."""
    cosines: dict[tuple[str, str], float]
    """Of the angle between the gradients of two terms: 1 where they pull alike, below 0 where one undoes what the
    other does. Pairs of which a gradient is 0 are left out."""


def term_gradients(terms: Mapping[str, Tensor], prediction: Tensor) -> dict[str, Tensor]:
    """The gradient of each term to the prediction, by name, on the graph that there is.

    The graph stays as it is for the backward pass to come, and no `.grad` is written. A term that does not depend
    on the prediction has the gradient 0.

    Parameters
    ----------
    terms
        Scalars, or one value for each image, (N,), as `Loss.terms` gives them; such values are added up.
    prediction
        What they were computed from, (N, C, H, W); it requires a gradient, and need not be a leaf.

    >>> images = torch.ones(1, 1, 2, 2, requires_grad=True)
    >>> gradient = term_gradients({"half": 0.5 * images.square().sum()}, images)["half"]
    >>> torch.equal(gradient, images), images.grad
    (True, None)
    """
    return {name: _gradient(value, prediction) for name, value in terms.items()}


def _gradient(value: Tensor, prediction: Tensor) -> Tensor:
    if not value.requires_grad:
        return torch.zeros_like(prediction)
    (gradient,) = torch.autograd.grad(value.sum(), prediction, retain_graph=True, allow_unused=True)
    return torch.zeros_like(prediction) if gradient is None else gradient.detach()


def gradient_norm(gradient: Tensor) -> Tensor:
    """The Euclidean norm, a scalar; sums of many squares lose digits in single precision."""
    norm: Tensor = vector_norm(gradient, dtype=widest_float(gradient))
    return norm


def shares_of(gradients: Mapping[str, Tensor]) -> GradientShares:
    """The shares and cosines of gradients, tensors of one shape, by the names of their terms."""
    norms = {name: float(gradient_norm(gradient)) for name, gradient in gradients.items()}
    total = sum(norms.values())
    units = {
        name: gradient.flatten().to(widest_float(gradient)) / norms[name]
        for name, gradient in gradients.items()
        if norms[name]
    }
    return GradientShares(
        shares={name: norm / total if total else 0.0 for name, norm in norms.items()},
        norms=norms,
        cosines={(one, other): float(units[one] @ units[other]) for one, other in combinations(units, 2)},
    )


__all__ = ["GradientShares", "gradient_norm", "shares_of", "term_gradients"]
