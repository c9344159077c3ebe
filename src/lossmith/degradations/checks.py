"""Checks of parameters and images, whose errors are one sentence."""

import math
from typing import TYPE_CHECKING

from lossmith.core.errors import LossmithError
from lossmith.core.lazy import LazyModule
from lossmith.expressions import Range

if TYPE_CHECKING:
    import torch
else:
    torch = LazyModule("torch")


def check_int(owner: str, key: str, value: object, low: int, high: int | None = None) -> None:
    """Raise LossmithError for anything but an integer from `low` to `high`.

    >>> check_int("jpeg", "quality", 0, 1, 100)
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: jpeg: quality must be 1 to 100, not 0
    """
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if not is_int or value < low or (high is not None and value > high):  # type: ignore[operator]
        wanted = f"{low} to {high}" if high is not None else f"a whole number, {low} or more"
        raise LossmithError(f"{owner}: {key} must be {wanted}, not {value}")


def check_nonnegative(owner: str, key: str, value: object) -> None:
    """Raise LossmithError for anything but a finite number from 0 on, or a range of such numbers."""
    for end in range_ends(value):
        is_number = isinstance(end, int | float) and not isinstance(end, bool)
        if not is_number or not math.isfinite(end) or end < 0:  # type: ignore[arg-type,operator]
            raise LossmithError(f"{owner}: {key} must be a number, 0 or more, not {end}")


def range_ends(value: object) -> tuple[object, ...]:
    """The low and the high end of a range; any other value by itself."""
    return (value.low, value.high) if isinstance(value, Range) else (value,)


def as_range(owner: str, key: str, pair: tuple[float, ...]) -> Range:
    """The range of a pair (low, high).

    >>> as_range("noise", "sigma", (0, 50))
    Range(low=0, high=50)
    """
    if len(pair) != 2:
        raise LossmithError(f"{owner}: {key} must be a number, or a range as (low, high), not {pair}")
    return Range(*pair)


def check_choice(owner: str, key: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise LossmithError for anything but one of `choices`."""
    if value not in choices:
        raise LossmithError(f"{owner}: {key} must be one of {', '.join(choices)}, not {value}")


def check_bool(owner: str, key: str, value: object) -> None:
    """Raise LossmithError for anything but True and False."""
    if not isinstance(value, bool):
        raise LossmithError(f"{owner}: {key} must be true or false, not {value}")


def check_clean(owner: str, clean: object, scale: int, channels: int = 3) -> None:
    """Raise LossmithError for anything but a float tensor (channels, H, W) with sides of multiples of `scale`."""
    if not isinstance(clean, torch.Tensor) or not torch.is_floating_point(clean):
        kind = clean.dtype if isinstance(clean, torch.Tensor) else type(clean).__name__
        raise LossmithError(f"{owner}: the image must be a float tensor in [0, 1], not {kind}")
    if clean.ndim != 3 or clean.shape[0] != channels or clean.numel() == 0:
        raise LossmithError(f"{owner}: the image must be ({channels}, H, W), not {tuple(clean.shape)}")
    if clean.shape[1] % scale or clean.shape[2] % scale:
        size = f"{clean.shape[1]}x{clean.shape[2]}"
        raise LossmithError(f"{owner}: an image of {size} pixels must be cropped to multiples of {scale} first")
