"""A step that fails leaves nothing behind."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lossmith.training.chance import Chance

SKIPPED = "skipped"
"""Among the values of a step: it changed nothing."""


def changing(modules: nn.Module) -> list[Tensor]:
    """The buffers that a forward pass may change.

    Modules in evaluation mode, such as the frozen networks of losses, change none, and may hold many.
    """
    return [buffer for module in modules.modules() if module.training for buffer in module.buffers(recurse=False)]


class Attempt:
    """What a step changes before the optimisers do: these buffers, and which random numbers come next."""

    def __init__(self, buffers: Iterable[Tensor]) -> None:
        self._buffers = [(buffer, buffer.clone()) for buffer in buffers]
        self._chance = Chance().state_dict()

    @torch.no_grad()
    def undo(self) -> None:
        """Bring it all back to where it was."""
        for buffer, before in self._buffers:
            buffer.copy_(before)
        Chance().load_state_dict(self._chance)


def all_finite(values: Iterable[Tensor], learning: Iterable[Tensor]) -> Tensor:
    """Whether all values and all gradients of what is learning are numbers, as one boolean on the device."""
    found = (parameter.grad for parameter in learning)
    gradients = [gradient for gradient in found if gradient is not None and gradient.numel()]
    sums = [gradient.sum() for gradient in gradients]  # which one that is no number makes none; and are quick
    return torch.stack([value.float() for value in (*values, *sums)]).isfinite().all()
