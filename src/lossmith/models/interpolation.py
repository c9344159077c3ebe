"""Between two networks: their weights, mixed."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError


def interpolate_weights(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], alpha: float
) -> dict[str, Tensor]:
    """(1 - alpha) * first + alpha * second, tensor by tensor; exactly the first at 0 and the second at 1.

    Only networks of one architecture can be mixed, and it only makes sense where one was trained from the other.
    Counters, which are no floats, are the first's.

    Source: Wang et al., ECCVW 2018, section 3.4.

    Raises LossmithError when names or shapes differ.

    >>> interpolate_weights({"weight": torch.zeros(2)}, {"weight": torch.ones(2)}, 0.25)["weight"].tolist()
    [0.25, 0.25]
    """
    shapes = [{name: tensor.shape for name, tensor in weights.items()} for weights in (first, second)]
    if shapes[0] != shapes[1]:
        raise LossmithError("the two networks differ in architecture, and only equal ones can be mixed")
    return {
        name: torch.lerp(tensor, second[name], alpha) if tensor.is_floating_point() else tensor
        for name, tensor in first.items()
    }


def weight_cosine(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """The cosine between two networks' weights: near 1 if one was trained from the other, near 0 for strangers.

    >>> weight_cosine({"weight": torch.ones(2)}, {"weight": torch.tensor([1.0, -1.0])})
    0.0
    """
    # biases and statistics are alike among strangers too
    names = [name for name, tensor in first.items() if tensor.ndim > 1] or list(first)
    a, b = (torch.cat([weights[name].double().flatten() for name in names]) for weights in (first, second))
    return float(torch.dot(a, b) / (a.norm() * b.norm()).clamp(min=torch.finfo(torch.float64).tiny))
