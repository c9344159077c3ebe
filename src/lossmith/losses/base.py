"""The base class of losses, and their weighted sums."""

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any, ClassVar, NoReturn, Self

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression, brief, format_value
from lossmith.losses.function_transforms import full_precision, quiet_tracer
from lossmith.losses.kinds import weakest_kind
from lossmith.losses.pair_check import check_pair

REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"mean": Tensor.mean, "sum": Tensor.sum, "none": lambda x: x}
"""How the values of the images, (N,), are reduced."""


class Precise(nn.Module):
    """A module whose floating-point buffers and parameters are never converted to less than float32.

    `.half()` on a model that holds a loss is meant for the model. What is in lower precision on purpose, such as
    the network of a loss with `precision="bfloat16"`, stays so.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def at_least_float32(tensor: Tensor) -> Tensor:
            converted = fn(tensor)
            lowered = converted.is_floating_point() and converted.dtype.itemsize < torch.float32.itemsize
            return tensor.to(converted.device) if lowered else converted  # `converted` has lost its digits

        super()._apply(at_least_float32, recurse)  # type: ignore[no-untyped-call]
        return self


class Loss(HasExpression, Precise):
    """A distance between a prediction and its target: `loss(prediction, target)` is a scalar to minimize.

    Both images are (N, C, H, W) floating-point tensors, prediction first: RGB in [0, 1], or any number of channels
    on the scale of their range, whose ends are 0 and 1 and may be exceeded. The gradient goes to the prediction
    only. Half precision and autocast are computed in float32, after `.half()` too. Nothing is clamped, moved to
    another device or changed in place.

    `loss + loss` and `number * loss` are losses, and `str(loss)` is the expression that makes the loss again.

    For the value and its parts, for a log, compute the parts: they cost one forward pass, and their sum is the
    value.

        terms = criterion.terms(prediction, target)
        value = sum(terms.values())

    A subclass implements `per_image` and sets the class variables, which `lossmith losses` prints.

    Parameters
    ----------
    reduction
        "mean" over the images of the batch, their "sum", or "none": one value per image, (N,).

    Raises
    ------
    LossmithError
        A ValueError: for an unknown reduction; when called, if shapes or devices differ, the batch is empty, the
        tensors hold integers, the images are smaller than `min_side`, or the target requires a gradient, as it
        does when the arguments are swapped.
    """

    name: ClassVar[str]
    formula: ClassVar[str] = ""
    """The definition in words."""
    bounds: ClassVar[str] = "0 and up"
    """The values that the loss can take; identical images give 0 unless this says otherwise."""
    source: ClassVar[str] = ""
    """The publication that defines the loss."""
    kind: str = "distance"
    """What the loss promises: a name of `lossmith.soundness.KINDS`."""
    min_side: int = 1
    """The smallest height and width of an image, in pixels."""
    needs_parentheses: ClassVar[bool] = False
    """Whether the expression needs parentheses to be a part of another."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise LossmithError(f"reduction must be 'mean', 'sum' or 'none', not '{reduction}'")
        self.reduction = reduction

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of each image, (N,), for checked inputs in float32 or float64."""
        raise NotImplementedError

    def mean(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The mean of `per_image`, a scalar. A subclass may compute it in fewer steps."""
        return self.per_image(prediction, target).mean()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if self.reduction == "mean":
            return self.evaluate_map(self.mean, prediction, target)
        return self.evaluate(self.per_image, prediction, target)

    def evaluate(self, formula: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor) -> Tensor:
        """The reduced values of `formula`, (N,), computed in full precision from checked inputs."""
        return REDUCTIONS[self.reduction](self.evaluate_map(formula, prediction, target))

    def evaluate_map(
        self, formula: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor
    ) -> Tensor:
        """The value of `formula`, computed in full precision from checked inputs."""
        with quiet_tracer():
            check_pair(prediction, target, self, self.min_side)
            dtype = torch.promote_types(torch.promote_types(prediction.dtype, target.dtype), torch.float32)
            with full_precision(prediction.device):
                # not every backend can read lazily negated tensors, such as the imaginary part of a conjugate
                return formula(prediction.to(dtype).resolve_neg(), target.detach().to(dtype).resolve_neg())

    @property
    def label(self) -> str:
        """The expression for legends and logs, with files by their stems."""
        return brief(str(self))

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The weighted terms by name, whose sum is the loss, from one forward pass."""
        return {self.label: self(prediction, target)}

    def with_target(self, target: Tensor) -> nn.Module:
        """A module that gives the loss of a prediction alone, against a fixed target.

        A deep loss computes the features of the target only once. The target is a buffer that is not saved.
        """
        return TargetedLoss(self, target)

    def __add__(self, other: Any) -> "Loss":
        return self if _is_number(other) and other == 0 else SumLoss([self, loss_from_callable(other)])

    __radd__ = __add__  # lets the built-in sum() add losses

    def __mul__(self, weight: float) -> "Loss":
        if not _is_number(weight):
            raise LossmithError(f"a loss can be multiplied by a number, not by {type(weight).__name__}")
        return WeightedLoss(float(weight), self)

    __rmul__ = __mul__
    __array_ufunc__ = None  # makes a NumPy number times a loss call __rmul__

    def __prepare_scriptable__(self) -> NoReturn:
        raise LossmithError(
            f"{self}: torch.jit.script cannot read losses; torch.compile, torch.export and torch.jit.trace can"
        )


class WeightedLoss(Loss):
    """A loss times a finite number.

    Parameters
    ----------
    weight
        The factor; that of a weighted loss is multiplied by it.
    loss
        The loss, whose reduction is kept.

    Raises
    ------
    LossmithError
        For a weight that is not finite.
    """

    def __init__(self, weight: float, loss: Loss) -> None:
        super().__init__(loss.reduction)
        if isinstance(loss, WeightedLoss):
            weight, loss = weight * loss.weight, loss.loss
        if not math.isfinite(weight):
            raise LossmithError(f"a loss's weight must be a finite number, not {weight}")
        self.weight: float = weight
        self.loss: Loss = loss
        self.min_side, self.kind = loss.min_side, loss.kind

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        value: Tensor = self.loss(prediction, target)
        return self.weight * value

    def with_target(self, target: Tensor) -> nn.Module:
        return TargetedSum([self.loss.with_target(target)], [self.weight])

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        inner = self.loss.terms(prediction, target)
        return {f"{format_value(self.weight)}*{name}": self.weight * value for name, value in inner.items()}

    def __str__(self) -> str:
        return f"{format_value(self.weight)}*{parenthesized(self.loss)}"


class SumLoss(Loss):
    """The sum of losses.

    Parameters
    ----------
    losses
        One loss at least, all of one reduction; the losses of a sum are taken singly.

    Raises
    ------
    LossmithError
        For an empty list, and for losses of different reductions.
    """

    needs_parentheses = True

    def __init__(self, losses: list[Loss]) -> None:
        flat = [term for loss in losses for term in (loss.losses if isinstance(loss, SumLoss) else [loss])]
        if not flat:
            raise LossmithError("a sum of losses needs at least one loss")
        super().__init__(flat[0].reduction)
        if len({loss.reduction for loss in flat}) > 1:
            raise LossmithError("losses that are added must share one reduction")
        self.losses: Sequence[Loss] = nn.ModuleList(flat)  # type: ignore[assignment]
        self.min_side = max(loss.min_side for loss in flat)
        self.kind = weakest_kind(loss.kind for loss in flat)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        values = [loss(prediction, target) for loss in self.losses]
        return torch.stack(values).sum(dim=0)

    def with_target(self, target: Tensor) -> nn.Module:
        return TargetedSum([loss.with_target(target) for loss in self.losses], [1.0] * len(self.losses))

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        return collect_terms((str(loss), loss.terms(prediction, target)) for loss in self.losses)

    def __str__(self) -> str:
        return " + ".join(parenthesized(loss) for loss in self.losses)


def collect_terms(parts: Iterable[tuple[str, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """The terms of the losses of a sum, each with its expression; those of equal losses are added up."""
    terms: dict[str, Tensor] = {}
    owners: dict[str, str] = {}
    for owner, values in parts:
        for name, value in values.items():
            while owners.setdefault(name, owner) != owner:  # files of one stem, in two folders
                name += "'"
            terms[name] = terms[name] + value if name in terms else value
    return terms


class CallableLoss(Loss):
    """A module or function of (prediction, target) as a loss.

    Parameters
    ----------
    function
        Gets two (N, C, H, W) images in float32 or float64, and returns one number in a tensor.
    expression
        What `str()` of the loss is.

    Raises
    ------
    LossmithError
        When called, if the function returns anything but one number in a tensor.
    """

    source = "yours"

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], expression: str) -> None:
        super().__init__()
        self.function, self.expression = function, expression
        self.min_side = function.min_side if isinstance(function, Loss) else 1
        self.kind = str(getattr(function, "kind", self.kind))

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.evaluate(self._scalar, prediction, target)

    def _scalar(self, prediction: Tensor, target: Tensor) -> Tensor:
        value = self.function(prediction, target)
        if not isinstance(value, Tensor) or value.numel() != 1:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise LossmithError(f"loss '{self.expression}' must return one number in a tensor, not {shape}")
        return value

    def __str__(self) -> str:
        return self.expression


class TargetedLoss(Precise):
    """A loss against a fixed target, called with the prediction alone.

    The target, (N, C, H, W), is a buffer: it moves with the module and is not saved with it.
    """

    target: Tensor

    def __init__(self, loss: Loss, target: Tensor) -> None:
        super().__init__()
        check_pair(target, target, loss, loss.min_side)
        self.loss = loss
        dtype = torch.promote_types(target.dtype, torch.float32)
        self.register_buffer("target", target.detach().to(dtype, copy=True), persistent=False)

    def forward(self, prediction: Tensor) -> Tensor:
        value: Tensor = self.loss(prediction, self.target)
        return value


class TargetedSum(nn.Module):
    """The weighted sum of losses against fixed targets, called with the prediction alone."""

    def __init__(self, losses: list[nn.Module], weights: list[float]) -> None:
        super().__init__()
        self.losses, self.weights = nn.ModuleList(losses), weights

    def forward(self, prediction: Tensor) -> Tensor:
        values = [weight * loss(prediction) for weight, loss in zip(self.weights, self.losses, strict=True)]
        return torch.stack(values).sum(dim=0)


LossLike = str | Loss | nn.Module | Callable[[Tensor, Tensor], Tensor]
"""What is taken for a loss in Python: an expression, a loss, a module or a function of (prediction, target)."""


def loss_from_callable(function: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """A loss, module or function of (prediction, target), as a `Loss`; a `Loss` as it is.

    Only a function that can be imported has an expression. The expression of an object names its class alone and
    cannot be read back, since the options that the object was made with are not known.

    Raises LossmithError for what cannot be called.

    >>> str(loss_from_callable(nn.functional.mse_loss)), str(loss_from_callable(nn.SmoothL1Loss(beta=2)))
    ('torch.nn.functional:mse_loss', 'object of torch.nn.modules.loss:SmoothL1Loss')
    """
    if isinstance(function, Loss):
        return function
    if not callable(function):
        raise LossmithError(f"a loss is a function of (prediction, target), not {type(function).__name__}")
    owner = function if hasattr(function, "__qualname__") else type(function)
    path = f"{owner.__module__}:{owner.__qualname__}"
    importable = owner is function and owner.__qualname__.isidentifier()
    return CallableLoss(function, path if importable else f"object of {path}")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def parenthesized(loss: Loss) -> str:
    """The expression of a loss, in parentheses if it needs them to be a part of another."""
    return f"({loss})" if loss.needs_parentheses else str(loss)


__all__ = [
    "CallableLoss",
    "Loss",
    "LossLike",
    "SumLoss",
    "TargetedLoss",
    "WeightedLoss",
    "check_pair",
    "loss_from_callable",
    "parenthesized",
]
