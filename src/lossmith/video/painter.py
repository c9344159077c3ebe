"""What paints frames, and an engine as such."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.restoration.channels import ChannelAdapter
from lossmith.restoration.engine import Engine
from lossmith.restoration.tiling.tiles import rounded_up
from lossmith.video.film import Pixels


class Painter(Protocol):
    """Maps frames (h, w, 3) of integers to float32 (scale * h, scale * w, 3) in [0, 1]; it need not clip."""

    @property
    def scale(self) -> int: ...

    def __call__(self, pixels: Pixels) -> Pixels: ...


@dataclass(frozen=True)
class FramePainter:
    """An engine that paints whole frames, mirrored beyond the lower and right edge to sizes that it takes."""

    engine: Engine

    @property
    def scale(self) -> int:
        return self.engine.scale

    def __call__(self, pixels: Pixels) -> Pixels:
        engine, (height, width) = self.engine, pixels.shape[:2]
        if engine.size not in (None, (height, width)):
            raise LossmithError(f"model '{engine.name}' takes only {engine.size}, not frames of {height, width}")
        tall, wide = (rounded_up(max(side, engine.minimum), engine.multiple_of) for side in (height, width))
        padded = np.pad(pixels, ((0, tall - height), (0, wide - width), (0, 0)), "symmetric")
        try:
            painted: Pixels = ChannelAdapter(engine)(padded)[: engine.scale * height, : engine.scale * width]
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise LossmithError(
                f"there is not enough memory for model '{engine.name}' on frames of {width} x {height}; take a "
                "smaller film or network"
            ) from error
        if not np.isfinite(painted).all():
            raise LossmithError(f"model '{engine.name}' gives NaN or infinity; train it again")
        return painted
