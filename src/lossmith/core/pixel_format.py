"""How the pixels of image files are stored, and which of their values are 0 and 1 to a network."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossmith.core import quantize
from lossmith.core.errors import LossmithError

DTYPES = ("uint8", "uint16", "int8", "int16", "uint32", "int32", "float16", "float32", "float64")
"""The types of pixels that files hold, as NumPy calls them."""
STORED_AS_THEY_ARE = ("uint8", "uint16", "int8", "int16")
"""What is kept in memory as in the file; the rest is kept as float32 on the scale of the range."""


@dataclass(frozen=True)
class PixelFormat:
    """The format of all images of a study: channels, the type of their values, and their range.

    Inside lossmith an image is (C, H, W) float32 on the scale of the range: `low` is 0 and `high` is 1. Values
    outside the range stay outside. Images of 8-bit RGB files, the default, are in [0, 1].

    Raises LossmithError for a type that is not in `DTYPES`, no channels, and a range that is empty or not finite.

    >>> deep = PixelFormat(1, "uint16", 0, 4095)
    >>> print(deep, deep.to_unit(torch.tensor([[[0, 4095, 8190]]], dtype=torch.uint16)).tolist(), sep="; ")
    gray, 16 bits, 0 to 4095; [[[0.0, 1.0, 2.0]]]
    >>> deep.from_unit(torch.tensor([[[-0.1, 0.5, 2.0]]])).tolist()
    [[[0, 2048, 8190]]]
    """

    channels: int = 3
    dtype: str = "uint8"
    """Of the files."""
    low: float = 0.0
    high: float = 255.0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise LossmithError(f"images of {self.dtype} are not read; {', '.join(DTYPES)} are")
        if type(self.channels) is not int or self.channels < 1:
            raise LossmithError(f"images have at least one channel, not {self.channels!r}")
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise LossmithError(
                f"`range` goes from a number to a larger one, not from {self.low:g} to {self.high:g}"
            )

    @classmethod
    def full_range(cls, channels: int, dtype: str) -> Self:
        """The format whose range is all that whole numbers of this type can hold."""
        limits = np.iinfo(dtype)
        return cls(channels, dtype, float(limits.min), float(limits.max))

    @classmethod
    def from_receipt(cls, entries: Mapping[str, Any]) -> Self:
        """The format that `receipt_entries` wrote; 8-bit RGB where there is none."""
        return cls(**entries["pixels"]) if "pixels" in entries else cls()

    @property
    def receipt_entries(self) -> dict[str, dict[str, Any]]:
        """What distinguishes the format, for receipts and `run.yaml`: nothing for 8-bit RGB."""
        return {} if self == RGB_8BIT else {"pixels": asdict(self)}

    @property
    def is_8bit(self) -> bool:
        """Whether 0 and 1 are black and white of 8 bits, which benchmarks round to."""
        return self.dtype == "uint8" and (self.low, self.high) == (0, 255)

    @property
    def holds_integers(self) -> bool:
        return not self.dtype.startswith("float")

    @property
    def span(self) -> float:
        """The width of the range, in the unit of the files: multiply errors by it."""
        return self.high - self.low

    @property
    def ends(self) -> tuple[str, str]:
        """Both ends of the range as they are written: whole numbers in full, others to six digits.

        >>> PixelFormat.full_range(1, "int32").ends, PixelFormat(1, "float32", 1e-8, 0.5).ends
        (('-2147483648', '2147483647'), ('1e-08', '0.5'))
        """
        return _written(self.low), _written(self.high)

    def to_unit(self, stored: Tensor) -> Tensor:
        """Stored values, of any shape, on the scale of the range, float32; floats are on it already."""
        if stored.is_floating_point():
            return stored
        values = stored.to(torch.float32)
        return (values - self.low if self.low else values) / self.span

    def to_stored(self, values: NDArray[Any]) -> Tensor:
        """The values of a file as they are kept in memory: whole numbers as they are, others as float32."""
        if self.dtype in STORED_AS_THEY_ARE:
            return torch.from_numpy(np.ascontiguousarray(values))
        scaled = (np.asarray(values, np.float64) - self.low) / self.span
        return torch.from_numpy(np.ascontiguousarray(scaled, np.float32))

    def from_unit(self, images: Tensor) -> NDArray[Any]:
        """Images on the scale of the range as values for a file, in its type.

        Whole numbers are rounded, halves up, and clipped only to what the type can hold.
        """
        if self.is_8bit:
            return quantize.to_8bit(images.detach().float()).cpu().numpy()
        values = images.detach().cpu().double().numpy() * self.span + self.low
        if not self.holds_integers:
            return values.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        whole: NDArray[Any] = np.clip(np.floor(values + 0.5), limits.min, limits.max).astype(self.dtype)
        return whole

    def compact(self, image: Tensor) -> Tensor:
        """An image on the scale of the range as it is stored if that is lossless, as float32 otherwise."""
        if self.is_8bit:
            return quantize.compact(image)
        if self.dtype in STORED_AS_THEY_ARE and image.isfinite().all():
            whole = torch.from_numpy(self.from_unit(image))
            if torch.equal(self.to_unit(whole), image.float()):
                return whole
        return image.float()

    def __str__(self) -> str:
        bits = 8 * np.dtype(self.dtype).itemsize
        kind = f"{bits}-bit floats" if not self.holds_integers else f"{bits} bits"
        sign = ", signed" if self.dtype.startswith("int") else ""
        limits = "" if self.is_8bit else ", {} to {}".format(*self.ends)
        return f"{describe_channels(self.channels)}, {kind}{sign}{limits}"


def _written(end: float) -> str:
    return f"{end:.0f}" if float(end).is_integer() and abs(end) < 1e12 else f"{end:g}"


RGB_8BIT = PixelFormat()


def describe_channels(channels: int) -> str:
    """What images of so many channels are called.

    >>> describe_channels(1), describe_channels(3), describe_channels(8)
    ('gray', 'RGB', '8 channels')
    """
    return {1: "gray", 3: "RGB"}.get(channels, f"{channels} channels")
