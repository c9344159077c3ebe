"""Inputs and outputs of ONNX graphs: layout of the axes, dtype and value range."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
"""Tensor types of images, and their NumPy dtypes."""
LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC")
MIN_FIXED_SIDE = 16
"""The smallest fixed axis that is taken for a height or width; smaller ones are channels or blocks."""
DEFAULT_SIDE = 256
"""The height or width of a graph where only the other one is fixed."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Range:
    """A value range: the numbers for black and white."""

    black: float
    white: float

    def from_unit(self, values: Array) -> Array:
        """Values in [0, 1] scaled to this range."""
        return self.black + values * (self.white - self.black)

    def to_unit(self, values: Array) -> Array:
        """Values of this range scaled to [0, 1]."""
        return (values - self.black) / (self.white - self.black)

    def __str__(self) -> str:
        return f"{self.black:g} to {self.white:g}"


UNIT, BYTES, SIGNED = RANGES = Range(0, 1), Range(0, 255), Range(-1, 1)


@dataclass(frozen=True)
class Port:
    """One input or output of a graph that is an image."""

    name: str
    layout: str
    """Its axes, such as NCHW."""
    dtype: str
    range: Range = UNIT

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The possible value ranges of its dtype."""
        return (BYTES,) if self.dtype == "uint8" else RANGES

    def pack(self, images: Array) -> Array:
        """Convert (N, C, H, W) in [0, 1] to the layout, dtype and range of the graph."""
        values = self.range.from_unit(images)
        if self.dtype == "uint8":
            values = np.clip(np.floor(values + 0.5), 0, 255)
        tensor = np.transpose(values, ["NCHW".index(axis) for axis in "N" + self.layout.removeprefix("N")])
        return np.ascontiguousarray((tensor if "N" in self.layout else tensor[0]).astype(self.dtype))

    def unpack(self, output: Array) -> Array:
        """Convert an output of the graph to (N, C, H, W) in [0, 1]."""
        tensor = self.range.to_unit(np.asarray(output, dtype=np.float32))
        tensor = tensor if "N" in self.layout else tensor[None]
        return np.transpose(tensor, [("N" + self.layout.removeprefix("N")).index(axis) for axis in "NCHW"])


@dataclass(frozen=True)
class InputLayout:
    """A possible meaning of the axes of an input."""

    axes: str
    """Such as "NCHW"."""
    channels: int
    batch: int | None
    """The fixed batch size; None where it is free."""
    size: tuple[int, int] | None
    """The fixed (height, width); None where they are free."""


def input_layouts(shape: Sequence[Any], said_channels: int = 3) -> Iterator[InputLayout]:
    """Possible layouts of an input, the likeliest first: fixed channels before free ones, color before gray.

    `said_channels` are those of which the graph says that it takes them.
    """
    sides = [side if isinstance(side, int) and side > 0 else None for side in shape]
    for fixed_channels, layout in product((True, False), LAYOUTS):
        if len(layout) != len(sides):
            continue
        batch, channels, height, width = (sides[layout.index(axis)] if axis in layout else 1 for axis in "NCHW")
        size = (height or DEFAULT_SIDE, width or DEFAULT_SIDE) if height or width else None
        known = tuple(dict.fromkeys((said_channels, 3, 1)))
        possible = known if channels is None else tuple(count for count in known if count == channels)
        if fixed_channels == (channels is not None) and (size is None or min(size) >= MIN_FIXED_SIDE):
            yield from (InputLayout(layout, count, batch, size) for count in possible)


@dataclass(frozen=True)
class Output:
    """One output of a trial run."""

    name: str
    values: Array
    port: Port | None
    """Its layout as an image; None where it is not one."""
    scale: int = 1


def outputs_of(session: Any, source: Port, image: Array) -> list[Output]:
    """Run a graph on an image, and interpret each of its outputs."""
    values = session.run(None, {source.name: source.pack(image)})
    return [
        _as_image(port.name, TYPES.get(port.type), np.asarray(output), source.layout, image.shape)
        for port, output in zip(session.get_outputs(), values, strict=True)
    ]


def _as_image(name: str, dtype: str | None, values: Array, layout: str, shape: tuple[int, ...]) -> Output:
    """An output, as an image where some layout gives it the input's shape (N, C, H, W) times a scale."""
    for candidate in (layout, *(other for other in LAYOUTS if other != layout)):
        if dtype is None or values.ndim != len(candidate):
            continue
        port = Port(name, candidate, dtype)
        count, channels, height, width = port.unpack(values).shape
        scale = height // shape[2]
        if (count, channels) == shape[:2] and scale and (height, width) == (scale * shape[2], scale * shape[3]):
            return Output(name, values, replace(port, range=port.ranges[0]), scale)
    return Output(name, values, None)
