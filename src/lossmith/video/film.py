"""What a film is, beside its frames."""

from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.core.errors import LossmithError

Pixels = NDArray[Any]
PIPE = Path("-")
"""In the place of a file: raw frames from the standard input, or to the standard output."""

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""What is written, by the ending of the file: those that keep time stamps, rotation and sound."""
FILM_SUFFIXES = (*CONTAINERS, *(".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ts", ".mts", ".m2ts", ".ogv"))
"""What is taken for a film."""


def is_film(path: Path) -> bool:
    """Whether a path names a film, or the pipe."""
    return path == PIPE or (path.suffix.lower() in FILM_SUFFIXES and not path.is_dir())


def pyav() -> Any:
    """The module `av`; raises LossmithError where it is not installed."""
    try:
        return import_module("av")
    except ModuleNotFoundError as error:
        raise LossmithError("films need 'av', which comes with: pip install \"lossmith[video]\"") from error


@dataclass(frozen=True)
class FilmFormat:
    """How the frames of a film are stored and shown."""

    height: int
    width: int
    rate: Fraction
    """Frames per second, on the average."""
    time_base: Fraction
    """Seconds per unit of the time stamps."""
    frames: int = 0
    """About how many there are; 0: unknown."""
    pixel_format: str = "yuv420p"
    bits: int = 8
    """Bits per value."""
    colorspace: int = 2
    """As the next three a code of ITU-T H.273; 2 is unspecified."""
    color_primaries: int = 2
    color_trc: int = 2
    color_range: int = 0
    """1: 16 to 235, 2: 0 to 255; 0: unspecified, which means the former."""
    aspect: Fraction | None = None
    """Width of a pixel by its height."""
    matrix: tuple[int, ...] | None = None
    """The display matrix: how a player turns the frames."""
    quarter_turns: int = 0
    """Counterclockwise, until a frame is upright."""

    @property
    def dtype(self) -> str:
        """Of the frames as arrays."""
        return "uint8" if self.bits <= 8 else "uint16"

    @property
    def rgb_format(self) -> str:
        """ffmpeg's name for frames as arrays."""
        return "rgb24" if self.bits <= 8 else "rgb48le"

    def turned_size(self, height: int, width: int) -> tuple[int, int]:
        """The size of upright frames that are stored in a size, and the other way around."""
        return (width, height) if self.quarter_turns % 2 else (height, width)


@dataclass(frozen=True)
class Frame:
    """A frame, upright."""

    pixels: Pixels
    """(height, width, 3), RGB."""
    time_stamp: int
    """In units of the film's time base."""
    duration: int
    """How long it is shown if none follows."""


def turned(pixels: Pixels, quarter_turns: int) -> Pixels:
    """Pixels turned counterclockwise."""
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns)) if quarter_turns % 4 else pixels
