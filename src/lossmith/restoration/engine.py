"""The interface of a model for restoration, and its implementation for PyTorch."""

from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat

Precision = Literal["float32", "bfloat16", "float16"]
CPU = torch.device("cpu")


class Engine(Protocol):
    """Maps images (N, channels, h, w) to restored images (N, channels, scale * h, scale * w).

    Both are float32 on the CPU; device and precision of the computation are up to the engine. The caller passes
    heights and widths that are multiples of `multiple_of` and at least `minimum`.
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
        """The only (height, width) that it takes; None when sizes are free."""
        ...

    @property
    def metadata(self) -> dict[str, str]:
        """The model in the record of a result: its file, SHA-256 and network."""
        ...

    @property
    def receipt(self) -> dict[str, Any]:
        """What its file says of how it was made; empty for a graph of another program."""
        ...

    @property
    def pixels(self) -> PixelFormat:
        """The format of the images that it is for; of other programs' models, 8-bit RGB."""
        ...

    def __call__(self, images: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class TorchEngine:
    """A PyTorch network as an engine: channels-last, in inference mode, in float32 or half precision."""

    module: nn.Module
    scale: int
    name: str = "network"
    channels: int = 3
    multiple_of: int = 1
    minimum: int = 1
    size: tuple[int, int] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    receipt: dict[str, Any] = field(default_factory=dict)
    device: torch.device = CPU
    precision: Precision = "float32"

    @property
    def pixels(self) -> PixelFormat:
        return PixelFormat.from_receipt(self.receipt)

    def __call__(self, images: Tensor) -> Tensor:
        with torch.inference_mode(), self._autocast():
            restored = self.module(images.to(self.device).contiguous(memory_format=torch.channels_last))
        return check_output(restored, images, self).float().cpu()

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.precision))

    def on(self, device: torch.device) -> "TorchEngine":
        """A copy of the engine on a device."""
        module = (self.module if device == self.device else deepcopy(self.module)).to(
            device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        return replace(self, module=module.eval().requires_grad_(False), device=device)

    def computing_in(self, precision: Precision) -> "TorchEngine":
        """The engine in another precision, with the same weights."""
        return replace(self, precision=precision)


def check_output(output: object, images: Tensor, engine: Engine) -> Tensor:
    """Return the output of an engine; raise LossmithError where its shape is not the expected one."""
    count, _, height, width = images.shape
    expected = (count, engine.channels, engine.scale * height, engine.scale * width)
    if not isinstance(output, Tensor) or tuple(output.shape) != expected:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise LossmithError(
            f"model '{engine.name}' returned {shape} for input {tuple(images.shape)}; expected {expected}"
        )
    return output
