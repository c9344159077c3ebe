"""The registry of losses by name, and the construction of losses from expressions."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from lossmith.core.errors import LossmithError
from lossmith.expressions import (
    Call,
    Node,
    Product,
    Shares,
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
from lossmith.losses.perceptual.style_networks import johnson_at_hand
from lossmith.losses.pixel import CharbonnierLoss, L1Loss, MSELoss, TVLoss
from lossmith.losses.schedule import Schedule
from lossmith.losses.share_loss import ShareLoss
from lossmith.losses.structural.mix import MixLoss, MSSSIMSigmasLoss
from lossmith.losses.structural.ssim import MSSSIMLoss, SSIMLoss
from lossmith.losses.texture import TextureLoss

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (
        L1Loss,
        MSELoss,
        CharbonnierLoss,
        TVLoss,
        SSIMLoss,
        MSSSIMLoss,
        MSSSIMSigmasLoss,
        MixLoss,
        TextureLoss,
    )
}

PRESETS: dict[str, Callable[..., Loss]] = {"mix_pl4nn": partial(MixLoss, alpha=0.025)}
"""Names for losses with particular options."""

DEEP: dict[str, Callable[..., Loss]] = {
    **{
        loss.name: loss for loss in (MDFLoss, PerceptualLoss, LPIPS, DISTS, StyleLoss, StyleW2Loss, ContextualLoss)
    },
    "johnson": partial(PerceptualLoss, "vgg16", "relu2_2", distance="l2"),
    "johnson_at_hand": johnson_at_hand,
    "srgan": partial(PerceptualLoss, "vgg19", "relu5_4", distance="l2"),
    "esrgan": partial(PerceptualLoss, "vgg19", "conv5_4"),
    "minc": partial(PerceptualLoss, "minc", "conv5_3"),
}
"""Losses with weights, which are read from files, and names for some of them with particular options."""

DESCRIPTIONS = {
    "mix_pl4nn": ("the mix of Zhao et al. with the alpha of their published code", "Zhao et al. 2017, pl4nn"),
    "johnson": (
        "features of a middle layer of VGG-16, which still hold positions",
        "Johnson et al. 2016",
    ),
    "johnson_at_hand": (
        "johnson, or the same on vgg19 or squeezenet1_1 where only their weights are at hand, which is reported",
        "Johnson et al. 2016",
    ),
    "srgan": (
        "SRGAN's content loss: deep features of VGG-19, for texture beside a discriminator",
        "Ledig et al. 2017",
    ),
    "esrgan": ("ESRGAN's: features of VGG-19 before the activation, beside a discriminator", "Wang et al. 2018"),
    "minc": ("ESRGAN's variant for materials: VGG-16 trained on MINC, before the activation", "Wang et al. 2018"),
}
"""The description and the source of each name that stands for particular options."""

ALIASES: dict[str, type[Loss]] = {
    "mae": L1Loss,
    "mse": MSELoss,
    "perceptual": PerceptualLoss,
    "vgg": PerceptualLoss,
}
"""Other names that are understood; `str()` of the loss has the name of its class."""

SHIPPED = {
    "jpeg": "against the blocks and rings of JPEG",
    "denoise": "against noise",
    "sr": "for super-resolution",
    "demosaic": "against noise and the traces of a Bayer mosaic",
}
"""The task of each learned loss that comes with lossmith."""

CATALOGUE: dict[str, Callable[..., Loss]] = {**LOSSES, **PRESETS, **DEEP, **ALIASES}


def loss(expression: str, *, reduction: str = "mean") -> Loss:
    """The loss that an expression describes; `str()` of the loss is the expression again.

    Parameters
    ----------
    expression
        Names of losses (`lossmith losses` lists them) with options in parentheses, numbers, `+` and `*`; shares of
        the gradient as `80%*... + 20%*...` or `20%*... + rest*...`, see `ShareLoss`; a class or function of yours
        as `import.path:Name`; a change during the run as `... until 50% then ...`.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        In one sentence, for an expression that cannot be understood, and for options that a loss refuses.

    >>> str(loss("l1 + 0.1*tv")), str(loss("mix_pl4nn"))
    ('l1 + 0.1*tv', 'mix(alpha=0.025)')
    >>> str(loss("mse"))
    'l2'
    >>> loss("mixx")
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: loss 'mixx' is not known; did you mean 'mix'?
    """
    if not isinstance(expression, str):
        raise LossmithError(f"the expression of a loss is text, such as 'l1 + 0.1*tv', not {expression!r}")
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
        case Product(weight, factor):
            return WeightedLoss(weight, _build(factor, reduction))
        case Sum(terms):
            return SumLoss([_build(term, reduction) for term in terms])
        case Shares(terms, shares, always):
            return ShareLoss([_build(term, reduction) for term in terms], list(shares), always)
        case _:
            return Schedule([_build(stage, reduction) for stage in node.stages], list(node.ends))


def _instantiate(call: Call, reduction: str) -> Loss:
    factory = resolve(call, CATALOGUE, "loss")
    if ":" not in call.name:
        criterion: Loss = instantiate(call, factory, "loss", reduction=reduction)
        return criterion
    if reduction != "mean":
        raise LossmithError(
            f"loss '{call.name}' gives one number for all images, "
            f"so its reduction must be 'mean', not '{reduction}'"
        )
    if isinstance(factory, type):
        function = instantiate(call, factory, "loss")
        if not callable(function):
            raise LossmithError(f"loss '{call.name}' makes objects that cannot be called with two images")
        return CallableLoss(function, format_call(call))
    # a function is the loss itself, with its options bound
    if call.arguments:
        raise LossmithError(
            f"loss '{call.name}' is a function: write its options with their names, such as weight=3"
        )
    try:
        bound = bind_arguments(call, factory, "loss", ahead=2)
    except LossmithError as error:
        if isinstance(error.__cause__, TypeError):
            raise LossmithError(f"{error}; it is called with a prediction and a target") from error
        raise
    return CallableLoss(bound if call.options else factory, format_call(call))


def _call_of(entry: "partial[Loss]") -> Call:
    return Call(entry.func.name, entry.args, tuple(entry.keywords.items()))  # type: ignore[attr-defined]


def overview() -> str:
    """The description of all losses, as `lossmith losses` prints it."""
    aliases = ", ".join(f"{alias} is {loss.name}" for alias, loss in ALIASES.items())
    return "\n\n".join(
        [
            'Start with l1 for fidelity, mix for structure, "80%*l1 + 20%*texture" for crisp details.',
            *map(describe, [*LOSSES, *PRESETS, *DEEP]),
            f'Options go in parentheses: "ssim(sigma=2)". Losses add up: "0.84*ms_ssim_sigmas + 0.16*l1".\n'
            'Percentages are shares of the gradient: "80%*l1 + 20%*lpips(squeeze)". Their factors are found in\n'
            'the first steps of a run, and go on following it where the expression ends in "always".\n'
            f'Losses may change during a run: "l1 until 50% then l2". Your own: "my_package.my_module:MyLoss".\n'
            "Pixel and structural losses take images of any number of channels. Networks for RGB get gray images\n"
            "as three equal channels (gray=repeat), of many channels the three that you name, counted from 0:\n"
            'lpips(bands="4,2,0").\n'
            f"Other names are understood: {aliases}.",
        ]
    )


def describe(name: str) -> str:
    """The formula, range, minimum size, source and options of a loss, in a few lines.

    >>> print(describe("charbonnier"))
    charbonnier
      mean of sqrt((prediction - target)^2 + epsilon^2) - epsilon
      range 0 and up; at least 1 x 1 pixels; Lai et al. 2017
      options: epsilon=0.001
    """
    entry = CATALOGUE[name]
    criterion: Any = getattr(entry, "func", entry) if name in DEEP else loss(name)
    criterion = PerceptualLoss if criterion is johnson_at_hand else criterion
    formula, source = DESCRIPTIONS.get(name, (criterion.formula, criterion.source))
    if isinstance(entry, partial):
        formula = f"{formula}: {format_call(_call_of(entry))}"
    has_network = isinstance(criterion, type) and issubclass(criterion, FeatureLoss)
    size = (
        "a minimum size that depends on the network"
        if has_network
        else f"at least {criterion.min_side} x {criterion.min_side} pixels"
    )
    facts = [f"range {criterion.bounds}", size, source]
    parameters = inspect.signature(CATALOGUE[name]).parameters
    options = ", ".join(
        option if parameter.default is parameter.empty else f"{option}={format_value(parameter.default)}"
        for option, parameter in parameters.items()
        if option != "reduction"
    )
    lines = [formula, "; ".join(filter(None, facts)), f"options: {options}" if options else ""]
    if criterion is MDFLoss:
        lines += [f"ships as mdf({file}): {SHIPPED.get(file, 'a learned loss')}" for file in shipped_losses()]
    return "\n  ".join(filter(None, [name, *lines]))
