"""The two ends of an ONNX graph: how an image's axes lie in its tensors, and which numbers are its values."""

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
"""Of the tensors that a graph may take and make."""
LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC")
SMALLEST = 16
"""The least fixed height or width that is taken for one; fewer are channels, or blocks of something."""
CHOSEN = 256
"""The height or width for a graph that leaves only the other one free."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Range:
    """The numbers that stand for black and white."""

    black: float
    white: float

    def of(self, unit: Array) -> Array:
        """[0, 1] in these numbers."""
        return self.black + unit * (self.white - self.black)

    def to_unit(self, values: Array) -> Array:
        return (values - self.black) / (self.white - self.black)

    def __str__(self) -> str:
        return f"{self.black:g} to {self.white:g}"


UNIT, BYTES, SIGNED = RANGES = Range(0, 1), Range(0, 255), Range(-1, 1)


@dataclass(frozen=True)
class Port:
    """One end of a graph: how its tensors lie, and in which numbers."""

    name: str
    layout: str
    """Its axes, such as NCHW."""
    dtype: str
    range: Range = UNIT

    @property
    def ranges(self) -> tuple[Range, ...]:
        """In which numbers it may be."""
        return (BYTES,) if self.dtype == "uint8" else RANGES

    def pack(self, images: Array) -> Array:
        """(N, C, H, W) in [0, 1] as the graph takes it."""
        values = self.range.of(images)
        if self.dtype == "uint8":
            values = np.clip(np.floor(values + 0.5), 0, 255)
        laid = np.transpose(values, ["NCHW".index(axis) for axis in "N" + self.layout.removeprefix("N")])
        return np.ascontiguousarray((laid if "N" in self.layout else laid[0]).astype(self.dtype))

    def unpack(self, made: Array) -> Array:
        """What the graph made as (N, C, H, W) in [0, 1]."""
        laid = self.range.to_unit(np.asarray(made, dtype=np.float32))
        laid = laid if "N" in self.layout else laid[None]
        return np.transpose(laid, [("N" + self.layout.removeprefix("N")).index(axis) for axis in "NCHW"])


@dataclass(frozen=True)
class Reading:
    """What the axes of an input may be."""

    layout: str
    channels: int
    batch: int | None
    """How many images; None for any number."""
    size: tuple[int, int] | None
    """Height and width, where they are fixed."""


def readings_of(shape: Sequence[Any]) -> Iterator[Reading]:
    """The likeliest first: where the channels are said, then color before gray."""
    sides = [side if isinstance(side, int) and side > 0 else None for side in shape]
    for said, layout in product((True, False), LAYOUTS):
        if len(layout) != len(sides):
            continue
        batch, channels, height, width = (sides[layout.index(axis)] if axis in layout else 1 for axis in "NCHW")
        size = (height or CHOSEN, width or CHOSEN) if height or width else None
        possible = (channels,) if channels in (1, 3) else (3, 1) if channels is None else ()
        if said == (channels is not None) and (size is None or min(size) >= SMALLEST):
            yield from (Reading(layout, each, batch, size) for each in possible)


@dataclass(frozen=True)
class Output:
    """One output of a trial."""

    name: str
    values: Array
    port: Port | None
    """How it is an image; None where it is none."""
    scale: int = 1


def outputs_of(session: Any, given: Port, image: Array) -> list[Output]:
    values = session.run(None, {given.name: given.pack(image)})
    return [
        _as_image(port.name, TYPES.get(port.type), np.asarray(made), given.layout, image.shape)
        for port, made in zip(session.get_outputs(), values, strict=True)
    ]


def _as_image(name: str, dtype: str | None, made: Array, layout: str, given: tuple[int, ...]) -> Output:
    for each in (layout, *(other for other in LAYOUTS if other != layout)):
        if dtype is None or made.ndim != len(each):
            continue
        port = Port(name, each, dtype)
        count, channels, height, width = port.unpack(made).shape
        scale = height // given[2]
        if (count, channels) == given[:2] and scale and (height, width) == (scale * given[2], scale * given[3]):
            return Output(name, made, replace(port, range=port.ranges[0]), scale)
    return Output(name, made, None)
