"""Interpolation between the weights of two networks."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat


def interpolate_networks(first: nn.Module, second: nn.Module, alpha: float) -> nn.Module:
    """The network between two of one architecture; see `interpolate_weights`.

    Raises LossmithError for two architectures, also where the names and shapes of their weights are equal.
    """
    if architecture_of(first) != architecture_of(second):
        raise LossmithError(
            f"{architecture_of(first)} and {architecture_of(second)} differ in architecture, so they cannot be "
            "interpolated"
        )
    between = deepcopy(first)
    between.load_state_dict(interpolate_weights(first.state_dict(), second.state_dict(), alpha))
    return between


def check_formats(first: PixelFormat, second: PixelFormat) -> None:
    """Raise LossmithError for two formats of images: what is white to one model is not white to the other."""
    if first != second:
        raise LossmithError(
            f"one model is for images of {first}, and the other for {second}, so they cannot be interpolated"
        )


def architecture_of(network: nn.Module) -> str:
    """The expression of a network; for those of other programs, the name of its class."""
    return str(network).partition("\n")[0].removesuffix("(")


def interpolate_weights(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], alpha: float
) -> dict[str, Tensor]:
    """(1 - alpha) * first + alpha * second, tensor by tensor; exactly `first` at 0 and `second` at 1.

    The networks must have the same architecture, and the result is only useful if one was trained from the other.
    Integer tensors, such as counters, are those of `first`.

    Source: Wang et al., ECCVW 2018, section 3.4.

    Raises LossmithError when names or shapes differ.

    >>> interpolate_weights({"weight": torch.zeros(2)}, {"weight": torch.ones(2)}, 0.25)["weight"].tolist()
    [0.25, 0.25]
    """
    shapes = [{name: tensor.shape for name, tensor in weights.items()} for weights in (first, second)]
    if shapes[0] != shapes[1]:
        raise LossmithError("the two networks differ in architecture, so they cannot be interpolated")
    return {
        name: torch.lerp(tensor, second[name], alpha) if tensor.is_floating_point() else tensor
        for name, tensor in first.items()
    }


def weight_cosine(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """The cosine of two networks' weights: near 1 if one was trained from the other, else near 0.

    >>> weight_cosine({"weight": torch.ones(2)}, {"weight": torch.tensor([1.0, -1.0])})
    0.0
    """
    # biases and statistics of normalization are alike in unrelated networks too
    names = [name for name, tensor in first.items() if tensor.ndim > 1] or list(first)
    a, b = (torch.cat([weights[name].double().flatten() for name in names]) for weights in (first, second))
    return float(torch.dot(a, b) / (a.norm() * b.norm()).clamp(min=torch.finfo(torch.float64).tiny))
