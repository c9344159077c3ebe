"""What is particular to paintings: the size at which one is made, and how much of the photograph stays in it."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.metrics.luma import BT601
from lossmith.restoration.channels import ChannelAdapter
from lossmith.restoration.engine import Engine
from lossmith.restoration.file_restorer import RestoreOptions
from lossmith.restoration.io.decoding import Original
from lossmith.restoration.resampling import resample, size_of_result
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.tiles import Rectangle


@dataclass(frozen=True)
class Mixture:
    """How a painting is mixed with its photograph."""

    strength: float = 1.0
    keep_color: bool = False

    def __call__(self, photographs: Tensor, paintings: Tensor) -> Tensor:
        """Mix (N, 3, H, W) in [0, 1]: the luminance of the painting with the photograph's color, and then both.

        >>> gray, red = torch.full((1, 3, 1, 1), 0.5), torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
        >>> Mixture(strength=0.5)(gray, red).flatten().tolist()
        [0.75, 0.25, 0.25]
        """
        if self.keep_color:  # the same added to red, green and blue changes neither difference of color in YCbCr
            luma = torch.tensor(BT601, device=paintings.device).view(1, 3, 1, 1)
            paintings = photographs + (luma * (paintings - photographs)).sum(1, keepdim=True)
        if self.strength < 1:
            paintings = torch.lerp(photographs, paintings.clamp(0, 1), self.strength)
        return paintings


@dataclass(frozen=True)
class PaintOptions(RestoreOptions):
    """The settings of a painting; `lossmith.stylize` describes them.

    Raises LossmithError where a value is invalid.
    """

    strength: float = 1.0
    keep_color: bool = False
    longest: int | None = None
    """The longer side to which larger photographs are reduced, where no size is given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.strength <= 1:
            raise LossmithError(f"`strength` must be 0 to 1, not {self.strength}")

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        longer = max(height, width)
        size = min(longer, self.longest or longer) if self.size is None else self.size
        return size_of_result(height, width, 1, None, size)

    def size_of(self, height: int, width: int, scale: int) -> tuple[int, int]:
        return self.input_size(height, width)

    def header(self, original: Original) -> Original:
        """The header of an image as it is painted: gray ones get colors."""
        colored = original.channels < 3 and not self.keep_color
        return replace(original, channels=original.channels + 2) if colored else original

    def prepare(self, source: Raster, folder: Path) -> Raster:
        size = self.input_size(source.height, source.width)
        if size != (source.height, source.width):
            source = resample(source, size, folder / "resized")
        return source if self.keep_color or source.channels > 2 else _colored(source, folder / "colored")

    def adapter(self, engine: Engine) -> ChannelAdapter:
        return ChannelAdapter(engine, mix=Mixture(self.strength, self.keep_color))


def _colored(source: Raster, to: Path) -> Raster:
    """A gray image, with or without alpha, in three equal channels."""
    result = replace(source, path=to, channels=source.channels + 2).create()
    top = 0
    for strip in source.strips():
        channels = [0, 0, 0, *range(1, source.channels)]
        result.write(Rectangle(top, 0, top + len(strip), source.width), strip[..., channels])
        top += len(strip)
    return result
