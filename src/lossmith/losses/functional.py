"""Losses and similarities as functions of (prediction, target), for everything that needs no weights.

>>> import torch
>>> import lossmith.losses.functional as F
>>> prediction, target = torch.rand(2, 1, 3, 32, 32)
>>> F.ssim_loss(target, target).item(), F.ssim(target, target).item()
(0.0, 1.0)
>>> F.ssim(prediction, target, sigma=2.0, reduction="none").shape
torch.Size([1])

`ssim_loss(prediction, target, **options)` is `SSIMLoss(**options)(prediction, target)`, and so for every function:
the options, defaults, checks, gradients and compiled kernels are those of the class. Images are (N, C, H, W)
floating-point tensors, RGB in [0, 1], prediction first. Options go by their names. `reduction` is "mean", "sum" or
"none" (one value per image, (N,)).

A name that ends in `_loss` is a loss: 0 for identical images (`tv_loss` rates the prediction alone), to be
minimized. `ssim` and `ms_ssim` are the similarities themselves: 1 for identical images, to be maximized.

Under `torch.compile(fullgraph=True)`, call a function once with the same options beforehand, or compile the class.
"""

from collections.abc import Callable
from inspect import Parameter, cleandoc, signature
from typing import Any, Concatenate, ParamSpec

from torch import Tensor

from lossmith.losses.adversarial import adversarial
from lossmith.losses.base import Loss
from lossmith.losses.pixel import CharbonnierLoss, L1Loss, MSELoss, TVLoss
from lossmith.losses.structural.mix import MixLoss, MSSSIMSigmasLoss
from lossmith.losses.structural.ssim import MSSSIMLoss, SSIMLoss
from lossmith.losses.texture import TextureLoss

Options = ParamSpec("Options")
LossFunction = Callable[Concatenate[Tensor, Tensor, Options], Tensor]

MAX_INSTANCES = 256
_INSTANCES: dict[tuple[Any, ...], Loss] = {}


def _instance(loss: Callable[..., Loss], options: dict[str, Any]) -> Loss:
    """The loss with these options, kept for the next call: to make it takes longer than a small image does."""
    key = (loss, *options.items())
    try:
        instance = _INSTANCES.get(key)
    except TypeError:  # an option that cannot be hashed, such as a list
        return loss(**options)
    if instance is None:
        if len(_INSTANCES) >= MAX_INSTANCES:
            _INSTANCES.clear()
        _INSTANCES[key] = instance = loss(**options)
    return instance


def _value(loss: Callable[..., Loss], images: tuple[Tensor, Tensor], options: dict[str, Any]) -> Tensor:
    value: Tensor = _instance(loss, options)(*images)
    return value


def _similarity(loss: Callable[..., Loss], images: tuple[Tensor, Tensor], options: dict[str, Any]) -> Tensor:
    """1 - the loss of each image, so 1 - their mean and N - their sum."""
    identical = images[0].shape[0] if options.get("reduction") == "sum" else 1
    return identical - _value(loss, images, options)


def _with_options_of(loss: Callable[Options, Loss]) -> Callable[[Callable[..., Tensor]], LossFunction[Options]]:
    """Give a function of (prediction, target, **options) the options of a loss, and the rest of its docstring."""

    def decorate(function: Callable[..., Tensor]) -> LossFunction[Options]:
        own, of_loss = signature(function), signature(loss)
        images = [parameter for parameter in own.parameters.values() if parameter.kind != Parameter.VAR_KEYWORD]
        options = [option.replace(kind=Parameter.KEYWORD_ONLY) for option in of_loss.parameters.values()]
        function.__signature__ = own.replace(parameters=[*images, *options])  # type: ignore[attr-defined]
        function.__doc__ = f"{function.__doc__}\n\nThe loss:\n\n{cleandoc(loss.__doc__ or '')}"
        _instance(loss, {})  # known before the first call, for torch.compile
        return function

    return decorate


@_with_options_of(L1Loss)
def l1_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """Mean absolute error."""
    return _value(L1Loss, (prediction, target), options)


@_with_options_of(MSELoss)
def mse_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """Mean squared error."""
    return _value(MSELoss, (prediction, target), options)


@_with_options_of(CharbonnierLoss)
def charbonnier_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """A smooth L1."""
    return _value(CharbonnierLoss, (prediction, target), options)


@_with_options_of(TVLoss)
def tv_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """Total variation of the prediction."""
    return _value(TVLoss, (prediction, target), options)


@_with_options_of(SSIMLoss)
def ssim_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """1 - SSIM: 0 for identical images, to be minimized; `ssim` is SSIM itself."""
    return _value(SSIMLoss, (prediction, target), options)


@_with_options_of(MSSSIMLoss)
def ms_ssim_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """1 - MS-SSIM: 0 for identical images, to be minimized; `ms_ssim` is MS-SSIM itself."""
    return _value(MSSSIMLoss, (prediction, target), options)


@_with_options_of(MSSSIMSigmasLoss)
def ms_ssim_sigmas_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """1 - MS-SSIM under Gaussians at full size: 0 for identical images, to be minimized."""
    return _value(MSSSIMSigmasLoss, (prediction, target), options)


@_with_options_of(MixLoss)
def mix_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """The mix of MS-SSIM and L1 of Zhao et al.: 0 for identical images, to be minimized."""
    return _value(MixLoss, (prediction, target), options)


@_with_options_of(TextureLoss)
def texture_loss(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """How much too strong or too weak texture is; brightness and color do not count."""
    return _value(TextureLoss, (prediction, target), options)


@_with_options_of(SSIMLoss)
def ssim(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """SSIM, a similarity: 1 for identical images, to be maximized; `ssim_loss` is 1 - SSIM."""
    return _similarity(SSIMLoss, (prediction, target), options)


@_with_options_of(MSSSIMLoss)
def ms_ssim(prediction: Tensor, target: Tensor, **options: Any) -> Tensor:
    """MS-SSIM, a similarity: 1 for identical images, to be maximized; `ms_ssim_loss` is 1 - MS-SSIM."""
    return _similarity(MSSSIMLoss, (prediction, target), options)


def discriminator_loss(real: Tensor, fake: Tensor, *, kind: str = "gan") -> Tensor:
    """What a discriminator minimizes, a scalar.

    Parameters
    ----------
    real, fake
        The discriminator's logits on real and on restored images, of any shape; detach the restored images.
    kind
        The adversarial loss: gan, lsgan, hinge, wgan, ragan, ragan_basicsr, ralsgan or rahinge.

    Raises
    ------
    LossmithError
        For an unknown kind, and for logits that are empty or not floating point.
    """
    return adversarial(kind).discriminator_loss(real, fake)


def generator_loss(real: Tensor, fake: Tensor, *, kind: str = "gan") -> Tensor:
    """What a restorer minimizes against a discriminator, a scalar; no gradient reaches `real`.

    The parameters and errors are those of `discriminator_loss`; here the restored images are not detached.
    """
    return adversarial(kind).generator_loss(real, fake)


__all__ = [
    "charbonnier_loss",
    "discriminator_loss",
    "generator_loss",
    "l1_loss",
    "mix_loss",
    "ms_ssim",
    "ms_ssim_loss",
    "ms_ssim_sigmas_loss",
    "mse_loss",
    "ssim",
    "ssim_loss",
    "texture_loss",
    "tv_loss",
]
