"""What is measured of a loss beside the checks: recovering a picture, frequency response, time and memory."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import perf_counter
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from lossmith.losses.base import Loss
from lossmith.losses.frequency_response import frequency_response
from lossmith.soundness.asking import MULTIPLE, picture_input
from lossmith.soundness.certificate import Measurements
from lossmith.soundness.check import Criterion, Subject
from lossmith.soundness.dead_leaves import dead_leaves

T = TypeVar("T")

INVERSION_STEPS = (10, 50, 100, 200)
"""After which the recovered picture is compared."""
LEARNING_RATE = 0.1
"""Of Adam on the pixels, as the authors of MDF have it."""
SIDE = 128
"""Of the pictures for time, memory and frequency response, where the loss takes it: it holds the lowest band."""
BATCH = 4
REPETITIONS, QUICK_REPETITIONS, QUICK_MS = 5, 25, 100
"""Of the passes whose median time is taken: more where each takes less than so many milliseconds."""


def measure(subject: Subject) -> Measurements:
    """What is measured of a loss: numbers that are neither right nor wrong. What cannot be measured is None."""
    shape = _shape(subject)
    mine, l1 = subject.make(), l1_loss
    times = _attempt(lambda: milliseconds([mine, l1], *_noisy_pair(shape, subject.seed)))
    return Measurements(
        frequency_response=_attempt(
            lambda: frequency_response(subject.make(), [*dead_leaves((1, *shape[1:]), subject.seed)])
        ),
        inversion=_attempt(lambda: _inversion(subject)),
        milliseconds=times[0] if times else None,
        milliseconds_of_l1=times[1] if times else None,
        megabytes=_attempt(lambda: saved_megabytes(mine, *_noisy_pair(shape, subject.seed))),
        megabytes_of_l1=saved_megabytes(l1, *_noisy_pair(shape, subject.seed)),
        size=shape,
    )


def _attempt(measurement: Callable[[], T]) -> T | None:
    try:
        return measurement()
    except Exception:  # whatever a loss may raise, which a check tells
        return None


def _shape(subject: Subject) -> tuple[int, int, int, int]:
    side = -(-max(SIDE, subject.min_side) // MULTIPLE) * MULTIPLE + subject.odd
    return BATCH, picture_input(subject).shape[1], side, side


def _noisy_pair(shape: tuple[int, int, int, int], seed: int) -> tuple[Tensor, Tensor]:
    target = dead_leaves((1, *shape[1:]), seed).expand(shape).contiguous()
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=target.dtype)
    return (target + 0.1 * noise).clamp(0, 1), target


# --- recovering a picture ---------------------------------------------------------------------------------------


def _inversion(subject: Subject) -> list[tuple[int, float]]:
    target = dead_leaves((1, *picture_input(subject).shape[1:]), subject.seed)
    psnrs = invert(subject.make(), target, INVERSION_STEPS)
    return [*zip(INVERSION_STEPS, psnrs, strict=True)]


def invert(criterion: Criterion, target: Tensor, steps: Sequence[int], seed: int = 0) -> list[float]:
    """How well a picture is recovered from noise by minimizing a loss: the PSNR after each number of steps.

    Adam with a learning rate of 0.1 changes the pixels, which begin as uniform noise.

    Parameters
    ----------
    criterion
        A loss, on the device of the picture.
    target
        The picture, (1, C, H, W) in [0, 1].
    steps
        Numbers of steps, rising.
    seed
        Of the noise.

    Returns
    -------
    list[float]
        PSNR in dB, of the pixels clipped to [0, 1].

    Source: Mustafa et al., "Training a task-specific image reconstruction loss", 2022, whose test it is.

    >>> from lossmith.losses import MSELoss
    >>> first, last = invert(MSELoss(), dead_leaves((1, 3, 16, 16)), (10, 100))
    >>> first < last
    True
    """
    noise = torch.rand(target.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    image = noise.to(target).requires_grad_()
    distance = criterion.with_target(target) if isinstance(criterion, Loss) else None
    optimizer = torch.optim.Adam([image], lr=LEARNING_RATE)
    psnrs = []
    for step in range(1, steps[-1] + 1):
        optimizer.zero_grad()
        value = criterion(image, target) if distance is None else distance(image)
        torch.autograd.backward(value.sum())
        optimizer.step()
        if step in steps:
            psnrs.append(psnr(image.detach(), target))
    return psnrs


MAX_PSNR = 150.0
"""In dB: what float32 can tell apart."""


def psnr(image: Tensor, target: Tensor) -> float:
    """PSNR in dB of an image that is clipped to [0, 1]; at most `MAX_PSNR`."""
    error = float((image.clamp(0, 1) - target).square().mean())
    return min(MAX_PSNR, -10 * float(torch.tensor(error).log10()))


# --- cost -------------------------------------------------------------------------------------------------------


def milliseconds(criteria: Sequence[Criterion], x: Tensor, y: Tensor) -> list[float]:
    """The median time of a forward and a backward pass of each loss, measured in turns after two of each."""
    slowest = max(_pass(criterion, x, y) for criterion in criteria for _ in range(2))
    repetitions = QUICK_REPETITIONS if slowest < QUICK_MS else REPETITIONS
    rounds = [[_pass(criterion, x, y) for criterion in criteria] for _ in range(repetitions)]
    return [median(times) for times in zip(*rounds, strict=True)]


def _pass(criterion: Criterion, x: Tensor, y: Tensor) -> float:
    leaf = x.detach().requires_grad_()
    start = perf_counter()
    torch.autograd.backward(criterion(leaf, y).sum())
    return 1000 * (perf_counter() - start)


def saved_megabytes(criterion: Criterion, x: Tensor, y: Tensor) -> float:
    """What autograd keeps for the backward pass, beside the images and the weights of the loss, in MB (10^6)."""
    known = [x, y]
    if isinstance(criterion, torch.nn.Module):
        known += [*criterion.parameters(), *criterion.buffers()]
    addresses = {tensor.untyped_storage().data_ptr() for tensor in known}
    saved: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in addresses:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        # the graph stays alive until the sum, so that no address is used twice
        value = criterion(x.detach().requires_grad_(), y)
    for tensor in _kept_by_functions(value):
        record(tensor)
    return sum(saved.values()) / 1e6


def _kept_by_functions(value: Tensor) -> Iterator[Tensor]:
    """The tensors that custom functions hold as attributes of their context, where no hook sees them."""
    nodes, seen = [value.grad_fn], set[object]()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [following for following, _ in node.next_functions]
        for attribute in getattr(node, "__dict__", {}).values():
            parts = attribute if isinstance(attribute, tuple | list) else [attribute]
            yield from (part for part in parts if isinstance(part, Tensor))


__all__ = ["invert", "measure", "milliseconds", "psnr", "saved_megabytes"]
