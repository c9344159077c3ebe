"""What paints frames, and a model as such."""

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.restoration.channels import to_levels
from lossmith.restoration.engine import Engine
from lossmith.restoration.file_restorer import RestoreOptions
from lossmith.restoration.output_range import RangeCheck
from lossmith.restoration.resampling import resample_values
from lossmith.restoration.tiling.tiles import rounded_up
from lossmith.video.film import Pixels


class Painter(Protocol):
    """Maps frames (h, w, 3) of integers to float32 (*size_of(h, w), 3), to be clipped to [0, 1]."""

    def size_of(self, height: int, width: int) -> tuple[int, int]: ...

    def __call__(self, pixels: Pixels) -> Pixels: ...


@dataclass
class FramePainter:
    """An engine that paints whole frames, mirrored beyond the lower and right edge to sizes that it takes.

    Of the options, those for sizes and for what the engine makes of pixels concern it.
    """

    engine: Engine
    options: RestoreOptions = field(default_factory=RestoreOptions)
    range_check: RangeCheck = field(init=False)
    """Counts values of all frames that are not those of an image."""

    def __post_init__(self) -> None:
        self.range_check = RangeCheck(self.engine.name)

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        return self._options(height, width).size_of(height, width, self.engine.scale)

    def __call__(self, pixels: Pixels) -> Pixels:
        size = pixels.shape[0], pixels.shape[1]
        options = self._options(*size)
        if (input_size := options.input_size(*size)) != size:
            white = np.float32(np.iinfo(pixels.dtype).max)
            pixels = to_levels(resample_values(pixels / white, input_size), pixels.dtype.name)
        return resample_values(self._paint(pixels, options).clip(0, 1), self.size_of(*size))

    def _options(self, height: int, width: int) -> RestoreOptions:
        """The options, in which a size that does not name both sides has become one of even sides, for players."""
        options = self.options
        if options.scale_to is None and not str(options.size or "").strip().isdigit():
            return options
        tall, wide = (max(2, 2 * round(side / 2)) for side in options.size_of(height, width, self.engine.scale))
        return replace(options, scale_to=None, size=f"{wide}x{tall}")

    def _paint(self, pixels: Pixels, options: RestoreOptions) -> Pixels:
        engine, (height, width) = self.engine, pixels.shape[:2]
        if engine.size not in (None, (height, width)):
            raise LossmithError(f"model '{engine.name}' takes only {engine.size}, not frames of {height, width}")
        tall, wide = (rounded_up(max(side, engine.minimum), engine.multiple_of) for side in (height, width))
        padded = np.pad(pixels, ((0, tall - height), (0, wide - width), (0, 0)), "symmetric")
        try:
            painted: Pixels = options.adapter(engine)(padded)[: engine.scale * height, : engine.scale * width]
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise LossmithError(
                f"there is not enough memory for model '{engine.name}' on frames of {width} x {height}; take a "
                "smaller film or network"
            ) from error
        if not np.isfinite(painted).all():
            raise LossmithError(f"model '{engine.name}' gives NaN or infinity; train it again")
        self.range_check.add(float(pixels.max() / np.iinfo(pixels.dtype).max), painted)
        return painted
