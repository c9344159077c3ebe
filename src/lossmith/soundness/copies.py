"""The checks of what training does with a module: save it, copy it, send it, move it."""

import copy
import io
import pickle

import torch
from torch import nn

from lossmith.soundness.asking import (
    Finding,
    Input,
    NotRun,
    example,
    little_input,
    make_check,
    steady_value,
    tolerance,
)
from lossmith.soundness.check import Subject
from lossmith.soundness.examine import in_words

FUNCTION = Finding("a function has nothing to copy or to move")
HALF_TOLERANCE = 0.05
"""Of the value after half(): float16 rounds to 5e-4, and differences of squares lose more."""


def _saves_its_state(subject: Subject) -> Finding:
    """Whether the state of a loss that was used, read from a file, makes a new one that is the same."""
    criterion, other, shown = subject.make(), subject.make(), little_input(subject)
    if not (isinstance(criterion, nn.Module) and isinstance(other, nn.Module)):
        return FUNCTION
    expected = steady_value(criterion, *shown.pair())
    file = io.BytesIO()
    torch.save(criterion.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    actual = steady_value(other, *shown.pair())
    if abs(actual - expected) <= tolerance(expected):
        return Finding("a new one with the saved state gives the same value")
    return _changed(subject, shown, "a new one with its state", expected, actual, SAVED)


def _can_be_copied(subject: Subject) -> Finding:
    """Whether a deep copy of a loss that was used gives the same, and shares nothing that could change."""
    criterion, shown = subject.make(), little_input(subject)
    if not isinstance(criterion, nn.Module):
        return FUNCTION
    expected = steady_value(criterion, *shown.pair())
    other = copy.deepcopy(criterion)
    actual = steady_value(other, *shown.pair())
    if not abs(actual - expected) <= tolerance(expected):
        return _changed(subject, shown, "a deep copy", expected, actual, COPIED)
    shared = sorted(_storages(criterion).keys() & _storages(other).keys())
    names = [_storages(criterion)[address] for address in shared]
    if other is criterion or names:
        what = ", ".join(names) or "everything"
        statements = f"import copy; other = copy.deepcopy(criterion); print({_shares(names)})"
        return Finding(
            f"a deep copy shares {what} with the original",
            faults=1,
            examples=(example(subject, shown, statements),),
        )
    return Finding("a deep copy gives the same value and shares no memory")


def _shares(names: list[str]) -> str:
    if not names:
        return "other is criterion"
    pointers = (f"dict({owner}.named_{{}}())" for owner in ("criterion", "other"))
    first, second = (
        f"{{**{pointer.format('parameters')}, **{pointer.format('buffers')}}}[{names[0]!r}].data_ptr()"
        for pointer in pointers
    )
    return f"{first} == {second}"


def _storages(module: nn.Module) -> dict[int, str]:
    """The names of the parameters and buffers that can change, by where they are."""
    tensors = (*module.named_parameters(), *module.named_buffers())
    return {tensor.untyped_storage().data_ptr(): name for name, tensor in tensors if tensor.numel()}


def _can_be_sent(subject: Subject) -> Finding:
    """Whether a loss can be pickled, as data loaders and processes need, if its class can be imported."""
    criterion, shown = subject.make(), little_input(subject)
    owner = criterion if hasattr(criterion, "__qualname__") else type(criterion)
    if "<" in owner.__qualname__ or owner.__module__ == "__main__":
        raise NotRun(f"{owner.__qualname__} cannot be imported by another process")
    expected = steady_value(criterion, *shown.pair())
    actual = steady_value(pickle.loads(pickle.dumps(criterion)), *shown.pair())
    if abs(actual - expected) <= tolerance(expected):
        return Finding("what is pickled and read again gives the same value")
    return _changed(subject, shown, "what is pickled and read again", expected, actual, PICKLED)


def _copy(criterion: nn.Module) -> nn.Module:
    """A copy that can be changed."""
    try:
        return copy.deepcopy(criterion)
    except Exception as error:  # whatever an object may raise
        raise NotRun(f"it cannot be copied: {in_words(error)}") from None


def _follows_dtypes(subject: Subject) -> Finding:
    """Whether it moves with a module that holds it, to float64 and back, and to float16."""
    criterion = subject.make()
    if not isinstance(criterion, nn.Module):
        return FUNCTION
    shown = little_input(subject)
    x, y = shown.pair()
    expected = steady_value(criterion, x, y)
    for how, dtype, allowed in (
        ("double", torch.float64, 1e-3),
        ("float", torch.float32, 1e-3),
        ("half", torch.float16, HALF_TOLERANCE),
    ):
        moves = "double().float" if how == "float" else how
        statements = f"criterion(x, y); criterion.{moves}(); print(criterion(x.{how}(), y.{how}()).item())"
        moved = _copy(criterion)
        holder = nn.Sequential(moved.double() if how == "float" else moved).to(dtype)
        try:
            actual = steady_value(holder[0], x.to(dtype), y.to(dtype))
        except NotRun:
            raise
        except Exception as error:  # whatever a loss may raise
            says = f"after {how}() it raises {in_words(error)}"
            return Finding(says, faults=1, examples=(example(subject, shown, statements),))
        if not abs(actual - expected) <= tolerance(expected, allowed):
            return _changed(subject, shown, f"after {how}() it", expected, actual, statements)
    return Finding("after double(), float() and half() of a module that holds it, it gives the same")


def _follows_devices(subject: Subject) -> Finding:
    """Whether all that it computes with moves to another device: to the one of shapes without numbers.

    Convolutions there do not notice a kernel that stayed behind; what is added or multiplied is noticed.
    """
    criterion = subject.make()
    if not isinstance(criterion, nn.Module):
        return FUNCTION
    shown = little_input(subject)
    moved = _copy(criterion).to("meta")
    x, y = (image.to("meta") for image in shown.pair())
    try:
        value = moved(x.requires_grad_(), y)
        if value.requires_grad:
            torch.autograd.grad(value.sum(), x, allow_unused=True)
    except Exception as error:  # whatever a loss may raise
        words = in_words(error)
        if not _speaks_of_two_devices(words):
            raise NotRun(f"only one device is here, and without numbers it raises {words}") from None
        statements = "criterion.to('meta'); criterion(x.to('meta'), y.to('meta'))"
        says = f"after to(device) something stays where it was: {words}"
        return Finding(says, faults=1, examples=(example(subject, shown, statements),))
    return Finding("what it computes with moves to another device")


def _speaks_of_two_devices(words: str) -> bool:
    return "device" in words and "cpu" in words and "meta" in words


def _changed(
    subject: Subject, shown: Input, what: str, expected: float, actual: float, statements: str
) -> Finding:
    return Finding(
        f"{what} gives {actual:.6g} instead of {expected:.6g}",
        faults=1,
        examples=(example(subject, shown, f"print(criterion(x, y).item()); {statements}"),),
    )


SAVED = (
    "import copy; other = copy.deepcopy(criterion); criterion(x, y); "
    "other.load_state_dict(criterion.state_dict()); print(other(x, y).item())"
)
COPIED = "import copy; print(copy.deepcopy(criterion)(x, y).item())"
PICKLED = "import pickle; print(pickle.loads(pickle.dumps(criterion))(x, y).item())"

CHECKS = (
    make_check(
        "state_dict",
        "tools",
        None,
        "Does the saved state of a loss that was used make a new one the same?",
        _saves_its_state,
        SAVED,
    ),
    make_check(
        "deepcopy",
        "tools",
        None,
        "Does a deep copy of a loss that was used give the same, and share no memory?",
        _can_be_copied,
        f"criterion(x.requires_grad_(), y); {COPIED}",
    ),
    make_check(
        "pickle",
        "tools",
        None,
        "Can a loss that was used be pickled, as other processes need?",
        _can_be_sent,
        f"criterion(x.requires_grad_(), y); {PICKLED}",
    ),
    make_check(
        "double and half",
        "tools",
        None,
        "Does it work after double(), float() and half() of a module that holds it?",
        _follows_dtypes,
        "print(criterion.double()(x.double(), y.double()).item())",
    ),
    make_check(
        "to a device",
        "tools",
        None,
        "Does all that it computes with move with to(device)?",
        _follows_devices,
        "print(criterion.to('meta')(x.to('meta'), y.to('meta')))",
    ),
)
"""In the order of the page."""

__all__ = ["CHECKS"]
