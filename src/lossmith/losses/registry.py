"""The losses by name, and how an expression becomes a loss."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from lossmith.core.errors import LossmithError
from lossmith.expressions import (
    Call,
    Node,
    Product,
    Sum,
    bind_arguments,
    format_call,
    format_value,
    instantiate,
    parse_loss,
    resolve,
)
from lossmith.losses.base import CallableLoss, Loss, LossLike, SumLoss, WeightedLoss, loss_from_callable
from lossmith.losses.mdf.loss import MDFLoss
from lossmith.losses.mdf.loss_file import shipped_losses
from lossmith.losses.perceptual.base import FeatureLoss, PerceptualLoss
from lossmith.losses.perceptual.contextual import ContextualLoss
from lossmith.losses.perceptual.dists import DISTS
from lossmith.losses.perceptual.lpips import LPIPS
from lossmith.losses.perceptual.style import StyleLoss, StyleW2Loss
from lossmith.losses.pixel import CharbonnierLoss, L1Loss, MSELoss, TVLoss
from lossmith.losses.schedule import Schedule
from lossmith.losses.structural.mix import MixLoss, MSSSIMSigmasLoss
from lossmith.losses.structural.ssim import MSSSIMLoss, SSIMLoss

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (L1Loss, MSELoss, CharbonnierLoss, TVLoss, SSIMLoss, MSSSIMLoss, MSSSIMSigmasLoss, MixLoss)
}

PRESETS: dict[str, Callable[..., Loss]] = {"mix_pl4nn": partial(MixLoss, alpha=0.025)}
"""Names for losses with particular options."""

DEEP: dict[str, Callable[..., Loss]] = {
    **{
        loss.name: loss for loss in (MDFLoss, PerceptualLoss, LPIPS, DISTS, StyleLoss, StyleW2Loss, ContextualLoss)
    },
    "johnson": partial(PerceptualLoss, "vgg16", "relu2_2", distance="l2"),
    "srgan": partial(PerceptualLoss, "vgg19", "relu5_4", distance="l2"),
    "esrgan": partial(PerceptualLoss, "vgg19", "conv5_4"),
    "minc": partial(PerceptualLoss, "minc", "conv5_3"),
}
"""Losses that are read from files, such as the weights of a network, and names for some with options."""

OF_PAPERS = {
    "mix_pl4nn": ("the mix of Zhao et al. with the alpha of their published code", "Zhao et al. 2017, pl4nn"),
    "johnson": (
        "features of VGG-16 that still say where things are",
        "Johnson et al. 2016",
    ),
    "srgan": ("SRGAN's content loss: deep features of VGG-19, for texture beside a critic", "Ledig et al. 2017"),
    "esrgan": ("ESRGAN's: features of VGG-19 before the activation, beside a critic", "Wang et al. 2018"),
    "minc": ("ESRGAN's variant for materials: VGG-16 trained on MINC, before the activation", "Wang et al. 2018"),
}
"""What names with options are for, and whence they are."""

ALIASES: dict[str, type[Loss]] = {
    "mae": L1Loss,
    "mse": MSELoss,
    "perceptual": PerceptualLoss,
    "vgg": PerceptualLoss,
}
"""What others call some of them; they are written back by their own names."""

SHIPPED = {
    "jpeg": "against the blocks and rings of JPEG",
    "denoise": "against noise",
    "sr": "for super-resolution",
    "demosaic": "against noise and the traces of a Bayer mosaic",
}
"""What the learned losses that come with lossmith are for."""

CATALOGUE: dict[str, Callable[..., Loss]] = {**LOSSES, **PRESETS, **DEEP, **ALIASES}


def loss(expression: str, *, reduction: str = "mean") -> Loss:
    """The loss that an expression describes.

    Names from the catalog, options in brackets, numbers, `+` and `*`, anybody's class or function as
    `import.path:Name`, and changes during a run as `... until 50% then ...`. See `lossmith losses` for the
    names. `str()` of the result is the expression again.

    Raises LossmithError, in one sentence, for what cannot be understood.

    >>> str(loss("l1 + 0.1*tv")), str(loss("mix_pl4nn"))
    ('l1 + 0.1*tv', 'mix(alpha=0.025)')
    >>> str(loss("mse"))
    'l2'
    >>> loss("mixx")
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: loss 'mixx' is not known; did you mean 'mix'?
    """
    if not isinstance(expression, str):
        raise LossmithError(f"a loss is named in text, such as 'l1 + 0.1*tv', not by {expression!r}")
    return _build(parse_loss(expression), reduction)


def as_loss(candidate: LossLike) -> Loss:
    """The loss that an expression, a module or a function of (prediction, target) stands for; a `Loss` as it is.

    Raises LossmithError for an expression that cannot be understood, and for what cannot be called.

    >>> import torch
    >>> str(as_loss("l1 + 0.1*tv")), str(as_loss(torch.nn.functional.mse_loss))
    ('l1 + 0.1*tv', 'torch.nn.functional:mse_loss')
    """
    return loss(candidate) if isinstance(candidate, str) else loss_from_callable(candidate)


def _build(node: Node, reduction: str) -> Loss:
    match node:
        case Call():
            return _instantiate(node, reduction)
        case Product(weight, of):
            return WeightedLoss(weight, _build(of, reduction))
        case Sum(terms):
            return SumLoss([_build(term, reduction) for term in terms])
        case _:
            return Schedule([_build(stage, reduction) for stage in node.stages], list(node.ends))


def _instantiate(call: Call, reduction: str) -> Loss:
    factory = resolve(call, CATALOGUE, "loss")
    if ":" not in call.name:
        made: Loss = instantiate(call, factory, "loss", reduction=reduction)
        return made
    if reduction != "mean":
        raise LossmithError(f"loss '{call.name}' is not ours, so it cannot be asked for one value per image")
    if isinstance(factory, type):
        function = instantiate(call, factory, "loss")
        if not callable(function):
            raise LossmithError(f"loss '{call.name}' makes objects that cannot be called with two images")
        return CallableLoss(function, format_call(call))
    # A function is the loss itself, its options bound.
    if call.arguments:
        raise LossmithError(
            f"loss '{call.name}' is a function: write its options with their names, such as weight=3"
        )
    bound = bind_arguments(call, factory, "loss", ahead=2)
    return CallableLoss(bound if call.options else factory, format_call(call))


def _call_of(entry: "partial[Loss]") -> Call:
    return Call(entry.func.name, entry.args, tuple(entry.keywords.items()))  # type: ignore[attr-defined]


def overview() -> str:
    """All of them, in the words of `lossmith losses`."""
    also = ", ".join(f"{alias} is {meant.name}" for alias, meant in ALIASES.items())
    return "\n\n".join(
        [
            "Start with l1, mix, or l1 + mdf(TASK) with a TASK of " + ", ".join(shipped_losses()) + ".",
            *map(describe, [*LOSSES, *PRESETS, *DEEP]),
            f'Options go in brackets: "ssim(sigma=2)". Losses add up: "0.84*ms_ssim_sigmas + 0.16*l1".\n'
            f'They may change during a run: "l1 until 50% then l2". Your own: "my_package.my_module:MyLoss".\n'
            f"Other names are understood: {also}.",
        ]
    )


def describe(name: str) -> str:
    """What the catalog says of a loss, in a few lines.

    >>> print(describe("charbonnier"))
    charbonnier
      mean of sqrt((prediction - target)^2 + epsilon^2) - epsilon
      range 0 and up; at least 1 x 1 pixels; Lai et al. 2017
      options: epsilon=0.001
    """
    entry = CATALOGUE[name]
    made: Any = getattr(entry, "func", entry) if name in DEEP else loss(name)
    formula, source = OF_PAPERS.get(name, (made.formula, made.source))
    if isinstance(entry, partial):
        formula = f"{formula}: {format_call(_call_of(entry))}"
    deep = isinstance(made, type) and issubclass(made, FeatureLoss)
    least = (
        "a least size that follows from the network"
        if deep
        else f"at least {made.min_side} x {made.min_side} pixels"
    )
    facts = [f"range {made.bounds}", least, source]
    parameters = inspect.signature(CATALOGUE[name]).parameters
    options = ", ".join(
        option if parameter.default is parameter.empty else f"{option}={format_value(parameter.default)}"
        for option, parameter in parameters.items()
        if option != "reduction"
    )
    lines = [formula, "; ".join(filter(None, facts)), f"options: {options}" if options else ""]
    if made is MDFLoss:
        lines += [f"ships as mdf({file}): {SHIPPED.get(file, 'a learned loss')}" for file in shipped_losses()]
    return "\n  ".join(filter(None, [name, *lines]))
