"""The checks of what surrounds a call: the mode of the module, gradients, and the state of the process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lossmith.soundness.asking import Finding, example, little_input, make_check, steady_value, tolerance
from lossmith.soundness.check import Criterion, Subject
from lossmith.soundness.process_state import (
    PROCESS_STATE,
    UNUSUAL_SEED,
    process_state,
    process_state_kept,
    seed_all,
)

PLAIN = "print(criterion(x, y).item())"


def _is_the_same_in_every_mode(subject: Subject) -> Finding:
    criterion, shown = subject.make(), little_input(subject)
    x, y = shown.pair()
    with _mode_kept(criterion):
        training = steady_value(_in_mode(criterion, True), x, y)
        evaluation = steady_value(_in_mode(criterion, False), x, y)
    if abs(evaluation - training) <= tolerance(training):
        return Finding("the value is that of training in eval() too")
    return Finding(
        f"it gives {training:.6g} in training mode, and {evaluation:.6g} after eval()",
        faults=1,
        examples=(example(subject, shown, f"{PLAIN}; criterion.eval(); {PLAIN}"),),
    )


def _is_the_same_without_gradient(subject: Subject) -> Finding:
    criterion, shown = subject.make(), little_input(subject)
    x, y = shown.pair()
    expected = steady_value(criterion, x, y)
    for name, mode in {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}.items():
        with mode():
            actual = float(criterion(x, y))
        if not abs(actual - expected) <= tolerance(expected):
            statements = f"print(criterion(x.requires_grad_(), y).item(), torch.{name}()(criterion)(x, y).item())"
            return Finding(
                f"it gives {expected:.6g}, and {actual:.6g} under {name}()",
                faults=1,
                examples=(example(subject, shown, f"import torch; {statements}"),),
            )
    other = subject.make()
    with torch.inference_mode():
        other(x, y)
    steady_value(other, x, y)  # raises where it kept a tensor that gradients cannot go through
    return Finding("the value stays under no_grad() and inference_mode(), and training goes on after them")


def _leaves_its_state_alone(subject: Subject) -> Finding:
    """Whether a call in evaluation mode changes what checkpoints save."""
    criterion, shown = subject.make(), little_input(subject)
    if not isinstance(criterion, nn.Module):
        return Finding("a function has no state")
    with _mode_kept(criterion):
        criterion.eval()
        criterion(*shown.pair())
        before = {name: tensor.clone() for name, tensor in _tensors(criterion).items()}
        criterion(*shown.pair())
        after = _tensors(criterion)
    changed = [name for name in after if name not in before or not _equal(after[name], before[name])]
    if not changed:
        return Finding("calls in evaluation mode change no parameter and no buffer")
    statements = (
        "criterion.eval(); criterion(x, y); state = copy.deepcopy(criterion.state_dict()); criterion(x, y); "
        "print([name for name, value in criterion.state_dict().items() if not value.equal(state[name])])"
    )
    return Finding(
        f"a call in evaluation mode changes {', '.join(changed)}",
        faults=1,
        examples=(example(subject, shown, f"import copy; {statements}"),),
    )


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _equal(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first.nan_to_num(), second.nan_to_num())


def _leaves_the_process_alone(subject: Subject) -> Finding:
    """Whether a call changes what is not its own.

    Making a network draws random numbers, and may be put off to the first call: the second one is asked about.
    """
    criterion, shown = subject.make(), little_input(subject)
    x, y = shown.pair()
    with process_state_kept():
        criterion(x, y)
    with process_state_kept():
        seed_all(UNUSUAL_SEED)
        torch.set_default_dtype(torch.float32)
        before = process_state()
        value = criterion(x.requires_grad_(), y)
        if value.requires_grad:
            torch.autograd.backward(value.sum())
        after = process_state()
    changed = [name for name in before if before[name] != after[name]]
    if not changed:
        return Finding("random states, default dtype, gradients and other settings stay")
    setup, shows = PROCESS_STATE[changed[0]].setup, f"print({PROCESS_STATE[changed[0]].code})"
    with process_state_kept():
        shown_by = example(subject, shown, f"{setup}; {shows}; criterion(x.requires_grad_(), y); {shows}")
    return Finding(f"a call changes {', '.join(changed)}", faults=1, examples=(shown_by,))


@contextmanager
def _mode_kept(criterion: Criterion) -> Iterator[None]:
    """Leave the modules in the modes that they had."""
    modes = (
        [(module, module.training) for module in criterion.modules()] if isinstance(criterion, nn.Module) else []
    )
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _in_mode(criterion: Criterion, training: bool) -> Criterion:
    return criterion.train(training) if isinstance(criterion, nn.Module) else criterion


CHECKS = (
    make_check(
        "train and eval",
        "manners",
        None,
        "Is the value the same in train() and in eval()?",
        _is_the_same_in_every_mode,
        f"criterion.train(); {PLAIN}; criterion.eval(); {PLAIN}",
    ),
    make_check(
        "no gradient",
        "manners",
        None,
        "Is the value the same under no_grad() and inference_mode()?",
        _is_the_same_without_gradient,
        "import torch; torch.inference_mode()(criterion)(x, y); print(criterion(x.requires_grad_(), y).item())",
    ),
    make_check(
        "own state",
        "manners",
        None,
        "Do calls in evaluation mode leave parameters and buffers as they are?",
        _leaves_its_state_alone,
        PLAIN,
    ),
    make_check(
        "global state",
        "manners",
        None,
        "Do calls leave random states, default dtype and other settings of the process as they are?",
        _leaves_the_process_alone,
        PLAIN,
    ),
)
"""In the order of the page."""

__all__ = ["CHECKS"]
