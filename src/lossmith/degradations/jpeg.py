"""The degradation of JPEG artifact removal: compression by libjpeg."""

from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.core.quantize import from_8bit, to_8bit
from lossmith.degradations.base import Degradation
from lossmith.degradations.checks import check_choice, check_int, range_ends
from lossmith.expressions import Range

_SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "gray")


@dataclass(frozen=True)
class JPEG(Degradation):
    """Compress with libjpeg at `quality` 1 to 100 and decompress, in memory.

    The image is rounded to 8 bits first, and the result holds multiples of 1 / 255. For 8 bits only, RGB or gray:
    an image of one channel is compressed as a gray file.

    Parameters
    ----------
    quality
        1 to 100, or a range.
    subsampling
        Of the color channels: "4:4:4", "4:2:2" or "4:2:0". "gray" compresses BT.601 luma alone, as the gray
        benchmarks do, and returns three equal channels.

    Examples
    --------
    >>> JPEG(10)(torch.rand(3, 33, 17)).shape
    torch.Size([3, 33, 17])
    >>> str(JPEG(10, "4:4:4"))
    'jpeg(10, subsampling=4:4:4)'
    """

    name: ClassVar[str] = "jpeg"
    integer_parameters = frozenset({"quality"})
    quality: int | Range | tuple[int, int]
    subsampling: str = "4:2:0"

    def __post_init__(self) -> None:
        self._pairs_to_ranges()
        for quality in range_ends(self.quality):
            check_int(self.name, "quality", quality, 1, 100)
        check_choice(self.name, "subsampling", self.subsampling, _SUBSAMPLINGS)

    @property
    def margin(self) -> int:
        # an incomplete block at the far edge, at most 15 (7) pixels, and the color interpolated next to it
        return self.alignment

    @property
    def alignment(self) -> int:
        return 8 if self._of_gray or self.subsampling == "4:4:4" else 16

    @property
    def _of_gray(self) -> bool:
        return self.subsampling == "gray" or self.pixels.channels == 1

    def for_pixels(self, pixels: PixelFormat) -> Degradation:
        if not pixels.is_8bit or pixels.channels not in (1, 3):
            raise LossmithError(
                f"{self}: a JPEG file holds 8 bits, gray or RGB, and these images are {pixels}; use another "
                "`degradation`, such as poisson(200)"
            )
        return super().for_pixels(pixels)

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        from PIL import Image

        levels = to_8bit(clean.detach()).permute(1, 2, 0).contiguous().cpu().numpy()
        image = Image.fromarray(levels[:, :, 0] if self.pixels.channels == 1 else levels)
        file = BytesIO()
        if self._of_gray:
            image.convert("L").save(file, "JPEG", quality=self.quality)
        else:
            image.save(file, "JPEG", quality=self.quality, subsampling=self.subsampling)
        decoded = np.array(Image.open(file).convert("RGB"))[:, :, : self.pixels.channels]
        return from_8bit(torch.from_numpy(decoded).permute(2, 0, 1).contiguous(), clean.dtype).to(clean.device)
