"""A loss as the subject of an examination: how it is made, and which images it takes, found by trying."""

import contextlib
import copy
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lossmith.core.errors import LossmithError
from lossmith.expressions import error_in_words
from lossmith.losses.base import CallableLoss, Loss, LossLike, loss_from_callable
from lossmith.losses.registry import loss as loss_from_expression
from lossmith.losses.share_loss import as_numbers, has_shares
from lossmith.soundness.bounds import declared_bounds
from lossmith.soundness.check import Criterion, Subject
from lossmith.soundness.examine import answer
from lossmith.soundness.kinds import KINDS
from lossmith.soundness.process_state import undisturbed

USUAL_SIDES = (64, 65, 192, 193)
"""Nearly every loss takes one of them: networks need multiples of 32, MS-SSIM 161 at least, and some odd ones."""
CHANNELS = (3, 1, 2, 4)
HEAVY_FLOPS = 5e7
"""Floating-point operations in the forward pass of an image near the least side: more is a large network."""


@undisturbed()
def subject_of(loss: LossLike, kind: str | None = None, channels: Sequence[int] | None = None) -> Subject:
    """A loss with what it takes.

    Raises LossmithError, in one sentence, for a loss that cannot be examined.
    """
    name, make, code = _origin(loss)
    criterion = make()
    _refuse_other_signatures(criterion, name)
    taken, side = _taken_channels(criterion, name, channels)
    step = 1 if side % 2 == 0 else 2
    _refuse_values_per_image(criterion, name, taken[0], side)
    least = _least_side(criterion, taken[0], side, step)
    stated = kind or str(getattr(criterion, "kind", "distance"))
    if stated not in KINDS:
        raise LossmithError(f"{name}: its attribute `kind` is one of {', '.join(KINDS)}, not {stated!r}")
    return Subject(
        name,
        make,
        KINDS[stated],
        code,
        channels=tuple(sorted(taken)),
        min_side=least,
        odd=step == 2,
        bounds=declared_bounds(criterion),
        small=_flops(criterion, taken[0], (least + 6, side)) > HEAVY_FLOPS,
    )


def _origin(loss: LossLike) -> tuple[str, Callable[[], Criterion], str]:
    """Name, maker, and the Python that makes it.

    What is not ours is called as it is, and not as the loss that expressions make of it, which computes half
    precision in float32 and refuses what no loss can take.
    """
    if isinstance(loss, str):
        made = loss_from_expression(loss)
        ending = ".function" if isinstance(made, CallableLoss) else ".eval()" if has_shares(made) else ""
        return str(made), partial(_made, loss), f"from lossmith import loss; criterion = loss({loss!r}){ending}"
    name = str(loss_from_callable(loss))
    if isinstance(loss, CallableLoss):
        return name, partial(_copied, loss.function), _code_of(loss.function)
    if isinstance(loss, Loss):
        loss = as_numbers(loss)
        name = str(loss)
        return name, partial(_copied, loss), f"from lossmith import loss; criterion = loss({name!r})"
    return name, partial(_copied, loss), _code_of(loss)


def _made(expression: str) -> Criterion:
    made = loss_from_expression(expression)
    if has_shares(made):
        made.eval()  # percentages are measured in calls, which are not to be asked for the same twice
    return made.function if isinstance(made, CallableLoss) else made


def _copied(loss: Criterion) -> Criterion:
    try:
        return copy.deepcopy(loss)
    except Exception:  # whatever an object may raise: it is used itself
        return loss


def _code_of(function: Criterion) -> str:
    """Python that imports a function, or makes an object of its class, whose options are not known."""
    owner = function if hasattr(function, "__qualname__") else type(function)
    module, name = owner.__module__, owner.__qualname__
    if getattr(sys.modules.get(module), name, None) is not owner:
        return f"criterion = {name.rpartition('.')[2]}"  # made in a function or a notebook
    if owner is function:
        return f"from {module} import {name} as criterion"
    takes_none = all(
        parameter.default is not parameter.empty
        or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in inspect.signature(owner).parameters.values()
    )
    return f"from {module} import {name}; criterion = {name}({'' if takes_none else '...'})"


def _refuse_other_signatures(criterion: Criterion, name: str) -> None:
    function = criterion.forward if isinstance(criterion, torch.nn.Module) else criterion
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # built-in functions have none
        return
    try:
        signature.bind(0, 0)
    except TypeError as error:
        raise LossmithError(
            f"{name} does not take (prediction, target): {error}; its arguments are {signature}"
        ) from None


def _images(channels: int, height: int, width: int, count: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.rand((2, count, channels, height, width), generator=generator)
    return prediction, target


def _refuse_values_per_image(criterion: Criterion, name: str, channels: int, side: int) -> None:
    try:
        value = criterion(*_images(channels, side, side, count=2))
    except Exception:  # a loss that takes one image alone, which a check will say
        return
    if value.numel() != 1:
        raise LossmithError(
            f"{name}: a loss must return one number in a tensor, not one for each image: {tuple(value.shape)}"
        )


def _reaction(criterion: Criterion, channels: int, height: int, width: int) -> str:
    """Nothing if it takes images of a shape, or why not in words.

    Raises LossmithError if it returns something else than one number.
    """
    try:
        value = criterion(*_images(channels, height, width))
        if isinstance(value, Tensor) and value.numel() == 1 and value.is_floating_point():
            actual = answer(criterion, *_images(channels, height, width))
            return "" if isfinite(actual.value) else f"it gives {actual.value}"
    except (Exception, SystemExit) as error:  # whatever a loss may raise
        return error_in_words(error)
    returned = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    raise LossmithError(f"a loss must return one number in a tensor, not {returned}")


def _taken_channels(criterion: Criterion, name: str, channels: Sequence[int] | None) -> tuple[list[int], int]:
    """The numbers of channels that it takes, 3 first, and a side that it takes.

    Raises LossmithError if there are none.
    """
    sides, taken = list(USUAL_SIDES), []
    words = ""
    for count in CHANNELS if channels is None else sorted(channels, key=lambda count: count != 3):
        for side in sides:
            try:
                reaction = _reaction(criterion, count, side, side)
            except LossmithError as error:
                raise LossmithError(f"{name}: {error}") from None
            words = words or reaction
            if not reaction:
                taken.append(count)
                sides = [side]
                break
    if not taken:
        sizes = " or ".join(f"{side} x {side}" for side in USUAL_SIDES)
        raise LossmithError(f"{name} takes no images of {sizes} pixels: {words or 'no channels were given'}")
    return taken, sides[0]


def _least_side(criterion: Criterion, channels: int, side: int, step: int) -> int:
    """The least side that gives a number, by halving: what is below it does not."""
    refused, taken = (side % 2) - step, side
    while taken - refused > step:
        middle = refused + (taken - refused) // (2 * step) * step
        if middle > 0 and not _reaction(criterion, channels, middle, middle):
            taken = middle
        else:
            refused = middle
    return taken


def _flops(criterion: Criterion, channels: int, sides: Sequence[int]) -> float:
    """Floating-point operations of the first of the sides that it takes."""
    for side in sides:
        with contextlib.suppress(Exception), torch.no_grad(), FlopCounterMode(display=False) as counter:
            criterion(*_images(channels, side, side))
            return float(counter.get_total_flops())
    return 0.0


__all__ = ["subject_of"]
