"""A model, ready to be applied: what the rest of this room needs to know of it, and no more."""

from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError

Precision = Literal["float32", "bfloat16", "float16"]
CPU = torch.device("cpu")


class Engine(Protocol):
    """Images in, restored images out: (N, channels, h, w) to (N, channels, scale h, scale w).

    Both are float32 on the CPU; what goes to a device and in which precision it computes is the engine's own.
    Heights and widths given are multiples of `multiple_of` and at least `minimum`.
    """

    @property
    def name(self) -> str: ...
    @property
    def scale(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def multiple_of(self) -> int: ...
    @property
    def minimum(self) -> int: ...
    @property
    def size(self) -> tuple[int, int] | None:
        """The only height and width that it takes; None when it takes others, too."""
        ...

    @property
    def metadata(self) -> dict[str, str]:
        """What goes into the record of what was done: the file, its digest, the network."""
        ...

    def __call__(self, images: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class TorchEngine:
    """A PyTorch network as an engine: channels-last, in inference mode, in half precision when asked to."""

    module: nn.Module
    scale: int
    name: str = "network"
    channels: int = 3
    multiple_of: int = 1
    minimum: int = 1
    size: tuple[int, int] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    device: torch.device = CPU
    precision: Precision = "float32"

    def __call__(self, images: Tensor) -> Tensor:
        with torch.inference_mode(), self._arithmetic():
            given = images.to(self.device).contiguous(memory_format=torch.channels_last)
            restored = self.module(given)
        return checked(restored, images, self).float().cpu()

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.precision))

    def on(self, device: torch.device) -> "TorchEngine":
        """The same engine on a device; this one stays where it is."""
        module = (self.module if device == self.device else deepcopy(self.module)).to(
            device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        return replace(self, module=module.eval().requires_grad_(False), device=device)

    def computing_in(self, precision: Precision) -> "TorchEngine":
        """The same engine in another precision."""
        return replace(self, precision=precision)


def checked(restored: object, given: Tensor, engine: Engine) -> Tensor:
    """What an engine has made, if its shape is right; LossmithError otherwise."""
    count, _, height, width = given.shape
    expected = (count, engine.channels, engine.scale * height, engine.scale * width)
    if not isinstance(restored, Tensor) or tuple(restored.shape) != expected:
        found = tuple(restored.shape) if isinstance(restored, Tensor) else type(restored).__name__
        raise LossmithError(f"model '{engine.name}' makes {found} of {tuple(given.shape)}, not {expected}")
    return restored
