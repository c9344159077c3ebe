"""A frozen discriminator: plain convolutions that compute distances together with their gradients."""

from collections.abc import Sequence
from itertools import count, repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu_

from lossmith.losses.autograd import with_gradient
from lossmith.losses.function_transforms import transformed
from lossmith.losses.mdf.discriminator import NEGATIVE_SLOPE, PatchDiscriminator, downscaled_side

TAPS = ("head", "body", "scores")
"""The outputs of a discriminator that MDF compares."""

Features = Sequence[Tensor]
"""The outputs, one per tap."""


class Convolution(nn.Module):
    """A 3 x 3 convolution without padding, whose weights are channels_last buffers that are not saved."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, stride: int) -> None:
        super().__init__()
        self.stride = stride
        weight = weight.float().contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias.float(), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return conv2d(image, self.weight.to(image.dtype), self.bias.to(image.dtype), self.stride)

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape[:2]
        return f"{inputs}, {outputs}, kernel_size=(3, 3), stride={self.stride}"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Ignore weights in checkpoints of earlier versions, which saved them; those of the loss file are used."""
        for name in ("weight", "bias"):
            state_dict.pop(prefix + name, None)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def backward(self, gradient: Tensor, image: Tensor) -> Tensor:
        """The gradient by the input, which had the size of `image`."""
        output_padding = [(side - 3) % self.stride for side in image.shape[-2:]]
        weight = self.weight.to(gradient.dtype)
        return conv_transpose2d(gradient, weight, stride=self.stride, output_padding=output_padding)


class FrozenDiscriminator(nn.Module):
    """A discriminator whose BatchNorms and input range are folded into its convolutions.

    Its images are (N, C, H, W) on the scale of their range.

    Parameters
    ----------
    discriminator
        The trained discriminator.
    factor
        The resolution of its input, as a fraction of that of the images; `MDFLoss` downscales them.
    signed
        Whether it was trained on images in [-1, 1].
    """

    def __init__(self, discriminator: PatchDiscriminator, factor: float, signed: bool) -> None:
        super().__init__()
        self.factor = factor
        self.min_side = min_side(discriminator, factor)
        folded = [fold_batchnorm(block.conv, block.norm) for block in (discriminator.head, *discriminator.body)]
        folded.append((discriminator.tail.weight.double(), discriminator.tail.bias.double()))  # type: ignore[union-attr]
        if signed:
            weight, bias = folded[0]
            folded[0] = 2 * weight, bias - weight.sum((1, 2, 3))
        strides = [discriminator.stride, *repeat(1, len(folded) - 1)]
        convolutions = (Convolution(*layer, stride) for layer, stride in zip(folded, strides, strict=True))
        self.layers: Sequence[Convolution] = nn.ModuleList(convolutions)  # type: ignore[assignment]

    def features(self, image: Tensor) -> Features:
        """The features of an image, without a graph."""
        with torch.no_grad():
            return taps(self.outputs(image))

    def distance(self, image: Tensor, features: Features) -> Tensor:
        """The sum of the three mean squared differences to these features, (N,).

        The gradient is computed at once, so that the graph keeps one image until the backward pass instead of all
        activations. There is no second derivative, except by `torch.func`.
        """
        if transformed(image):
            return squared(errors_of(self.outputs(image), features))
        need_grad = image.requires_grad and torch.is_grad_enabled()
        with torch.no_grad():
            outputs = self.outputs(image)
            errors = errors_of(outputs, features)
            value = squared(errors)
            if not need_grad:
                return value
            gradient = self.backward(errors, outputs, image)
        return with_gradient(value, image, gradient, "mdf")

    def outputs(self, image: Tensor) -> list[Tensor]:
        """The outputs of all layers."""
        outputs = [image]
        for layer in self.layers[:-1]:
            outputs.append(leaky_relu_(layer(outputs[-1]), NEGATIVE_SLOPE))
        return [*outputs[1:], self.layers[-1](outputs[-1])]

    def backward(self, errors: list[Tensor], outputs: list[Tensor], image: Tensor) -> Tensor:
        """The gradient of the distance by the image, from the errors of the features, which are overwritten."""
        head, body, gradient = (error.mul_(2 / error[0].numel()) for error in errors)
        error_gradients = {0: head, len(outputs) - 2: body}
        for n in reversed(range(len(outputs) - 1)):
            gradient = self.layers[n + 1].backward(gradient, outputs[n])
            if n in error_gradients:
                gradient += error_gradients[n]
            gradient = torch.ops.aten.leaky_relu_backward(gradient, outputs[n], NEGATIVE_SLOPE, True)
        return self.layers[0].backward(gradient, image)


def squared(errors: list[Tensor]) -> Tensor:
    """The sum of the mean squares of the errors, (N,)."""
    return torch.stack([at_least_float32(error).square().mean((1, 2, 3)) for error in errors]).sum(0)


def errors_of(outputs: list[Tensor], features: Features) -> list[Tensor]:
    return [prediction - target for prediction, target in zip(taps(outputs), features, strict=True)]


def taps(outputs: list[Tensor]) -> Features:
    return outputs[0], outputs[-2], outputs[-1]


def fold_batchnorm(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The weight and the bias, in float64, of one convolution that is equal to both layers."""
    mean, variance, gain, shift, bias = (
        tensor.double()  # type: ignore[union-attr]
        for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias, convolution.bias)
    )
    gain = gain / (variance + norm.eps).sqrt()
    return convolution.weight.double() * gain[:, None, None, None], (bias - mean) * gain + shift


def min_side(discriminator: PatchDiscriminator, factor: float) -> int:
    """The smallest side of an image that holds a patch of the discriminator at this factor."""
    patch = 3 + 2 * (discriminator.layers - 1) * discriminator.stride
    return next(side for side in count(patch) if downscaled_side(side, factor) >= patch)


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, if it has less precision, for sums."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


__all__ = ["TAPS", "Features", "FrozenDiscriminator", "at_least_float32"]
