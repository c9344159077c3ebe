"""A step that fails leaves nothing behind."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lossmith.training.chance import Chance

SKIPPED = "skipped"
"""Among the values of a step: it changed nothing."""


class Attempt:
    """What a step changes before the optimisers do: statistics, and which random numbers come next."""

    def __init__(self, modules: nn.Module) -> None:
        # those in evaluation mode, such as the frozen networks of losses, change nothing and may be large
        changing = [module for module in modules.modules() if module.training]
        self._buffers = [(each, each.clone()) for module in changing for each in module.buffers(recurse=False)]
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
    extremes = [extreme for gradient in gradients for extreme in gradient.aminmax()]  # NaN where one is
    return torch.stack([value.float() for value in (*values, *extremes)]).isfinite().all()
