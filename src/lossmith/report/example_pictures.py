"""The pairs of images that show a fault, small enough for a page."""

import ast
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lossmith import testing
from lossmith.data.writing import to_uint8_hwc
from lossmith.report.images import data_uri

SIDE = 48
"""Pixels that are shown of a longer side, around where the two differ most."""
MAKERS = ("pair", "damaged")
"""The functions of `lossmith.testing` that make a prediction and a target."""
SHOWN_SIDE = 144
"""CSS pixels that the longer side is enlarged to, by a whole factor."""


@dataclass(frozen=True)
class ExamplePicture:
    """One image of a pair, and the CSS pixels that it is shown in."""

    name: str
    uri: str
    width: int
    height: int
    note: str
    """The values that it holds."""


def example_pictures(code: str) -> list[ExamplePicture]:
    """The prediction and the target of a line of code that makes them by `lossmith.testing`, if it does."""
    images = _pair_of(code)
    if images is None:
        return []
    rows, columns = _window(*images)
    return [
        _picture(name, image, rows, columns) for name, image in zip(("prediction", "target"), images, strict=True)
    ]


def _pair_of(code: str) -> tuple[Tensor, Tensor] | None:
    """The images that the first call of a maker in a line makes, whose arguments are literals."""
    try:
        calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
        call, name = next(
            (call, call.func.id) for call in calls if isinstance(call.func, ast.Name) and call.func.id in MAKERS
        )
        options = {str(option.arg): ast.literal_eval(option.value) for option in call.keywords}
        prediction, target = getattr(testing, name)(*map(ast.literal_eval, call.args), **options)
    except (StopIteration, SyntaxError, TypeError, ValueError):
        return None
    return prediction.detach(), target.detach()


def _window(prediction: Tensor, target: Tensor) -> tuple[slice, slice]:
    """Rows and columns of the first image, around the largest difference."""
    difference = (prediction[0].double() - target[0].double()).abs().nan_to_num(math.inf).sum(0)
    height, width = difference.shape
    row, column = divmod(int(difference.argmax()), width)
    return _part(row, height), _part(column, width)


def _part(center: int, length: int) -> slice:
    start = min(max(0, center - SIDE // 2), max(0, length - SIDE))
    return slice(start, min(length, start + SIDE))


def _picture(name: str, image: Tensor, rows: slice, columns: slice) -> ExamplePicture:
    part = image[0, :, rows, columns].float().nan_to_num(0.5, 1, 0)
    shown = part[:3] if len(part) >= 3 else part[:1].expand(3, -1, -1)
    pixels = to_uint8_hwc(shown.clamp(0, 1))
    height, width = part.shape[-2:]
    factor = max(1, SHOWN_SIDE // max(height, width))
    return ExamplePicture(name, data_uri(pixels), factor * width, factor * height, _note(image, part.shape[-2:]))


def _note(image: Tensor, shown: torch.Size) -> str:
    """What values the batch holds, and what is left out of the picture."""
    values = image.double()
    real = values[values.isfinite()]
    low, high = (float(real.min()), float(real.max())) if len(real) else (math.nan, math.nan)
    words = f"{low:.4g} everywhere" if low == high else f"{low:.4g} to {high:.4g}"
    if len(real) < values.numel():
        words += ", and values that are not finite" if len(real) else ""
    height, width = image.shape[-2:]
    if tuple(shown) != (height, width):
        words += f"; {shown[0]} × {shown[1]} of {height} × {width} pixels"
    if len(image) > 1:
        words += f"; the first of {len(image)}"
    return words


__all__ = ["ExamplePicture", "example_pictures"]
