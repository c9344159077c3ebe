"""Test images, prepared to be looked at: images as data URIs, spots, the scale of errors, scores."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from lossmith.evaluation.results import DEGRADED, Row
from lossmith.metrics.registry import Metric
from lossmith.report.crops import Crop, Map, error_of, find_crops
from lossmith.report.data import ImageComparison, Pixels, ReportData
from lossmith.report.formatting import number, significant
from lossmith.report.methods import TARGET, Method

Number = TypeVar("Number", bound=np.generic)

MAX_SIDE, LEAST = 1024, 256
"""Longer sides are cropped to where the losses differ most; to less where the page would be too heavy to send."""
PIXELS = 3_000_000
"""Of all images on a page together; of photographs, some 3 to 4 megabytes."""
CHARACTERS = 5_400_000
"""Of all data URIs of images on a page together, which is 6 megabytes at most with everything else."""
SHOWN_WIDTH = 480
"""CSS pixels; images that are half as wide or less are enlarged by a whole factor, so that pixels stay square."""
CEILINGS = (2, 4, 8, 16, 32, 64, 128, 255)
"""Round ends for the scale of error maps, in 8-bit levels."""
SHADES = 254
"""Of an error map that is embedded, the brightest; 255 stands for pixels that do not count."""


@dataclass(frozen=True)
class Frame:
    """One version of a test image."""

    method: Method
    uri: str
    still: str
    """The first spot, which is seen until a script moves and zooms."""
    alt: str
    mean_error: str
    """Mean absolute error in the unit of the files, of 8-bit levels."""
    error_uri: str = ""
    """The absolute error in shades of gray, where the page cannot compute it from the images."""


@dataclass(frozen=True)
class Score:
    """One number of the table under an image."""

    text: str
    best: bool


@dataclass(frozen=True)
class View:
    """What the page shows of one test image; frames: the degraded one if it is known, each loss, target."""

    image: str
    width: int
    height: int
    cropped_from: tuple[int, int] | None
    """Full width and height, if the image was cropped."""
    frames: list[Frame]
    crops: list[Crop]
    ceiling: float
    """Absolute error at which the color scale of the error maps ends."""
    end: str
    """The same, with a plus sign where larger errors may be."""
    unit: str
    caption: str
    """What the images are and how they are shown; empty for 8-bit RGB."""
    has_invalid_pixels: bool
    metrics: list[Metric]
    scores: list[tuple[Method, list[Score]]]

    @property
    def columns(self) -> int:
        """Close ups in a row of a wide screen."""
        return even_columns(len(self.frames), 7)

    @property
    def enlargement(self) -> int:
        """The whole factor by which it is shown larger, 1 for most."""
        return enlargement(self.width)


def even_columns(count: int, most: int) -> int:
    """How many things to put in a row, `most` at most, so that all rows are as long.

    >>> [even_columns(count, 6) for count in (3, 6, 7, 8, 13)]
    [3, 6, 4, 4, 5]
    """
    return math.ceil(count / math.ceil(count / most))


def enlargement(width: int) -> int:
    """The whole factor by which an image of this width is shown larger, 1 for most."""
    return max(1, SHOWN_WIDTH // width)


def views_of(contents: ReportData, methods: Sequence[Method], most: int = CHARACTERS) -> list[View]:
    """The views of all test images that the page has room for, in their order; `most` characters together.

    Where images that compress badly, such as noise, would make the page too heavy, less of each is shown; where
    even that is too much, the last ones are left out.
    """
    comparisons, side = contents.comparisons, longest_side(contents.comparisons)
    while True:
        views = [view_of(comparison, contents, methods, side) for comparison in comparisons]
        characters = sum(
            len(frame.uri) + len(frame.still) + len(frame.error_uri) for view in views for frame in view.frames
        )
        if characters <= most or (side == LEAST and len(comparisons) == 1):
            return views
        if side > LEAST:
            side = max(LEAST, int(side * min(0.95, math.sqrt(most / characters))))
        else:
            comparisons = comparisons[:-1]


def view_of(comparison: ImageComparison, contents: ReportData, methods: Sequence[Method], side: int) -> View:
    """The view of one test image; its sides are `side` at most."""
    height, width = comparison.target.shape[:2]
    comparison = _cropped(comparison, side)
    shown_height, shown_width = comparison.target.shape[:2]
    crops = find_crops(comparison)
    losses = [method for method in methods if method.name in comparison.restored and method.kind == "loss"]
    degraded = comparison.degraded
    inputs = [method for method in methods if method.kind == "degraded" and degraded is not None]
    ceiling = error_ceiling(comparison)
    frames = [] if degraded is None else [_frame(comparison, crops[0], m, degraded, ceiling) for m in inputs]
    frames += [_frame(comparison, crops[0], m, comparison.restored[m.name], ceiling) for m in losses]
    frames += [_frame(comparison, crops[0], TARGET, comparison.target, ceiling)]
    metrics, scores = _scores(comparison.image, contents, [*inputs, *losses])
    return View(
        image=comparison.image,
        width=shown_width,
        height=shown_height,
        cropped_from=(width, height) if (width, height) != (shown_width, shown_height) else None,
        frames=frames,
        crops=crops,
        ceiling=ceiling,
        end=f"{ceiling:,g}{'' if comparison.display.pixels.is_8bit and ceiling == CEILINGS[-1] else '+'}",
        unit=comparison.display.unit,
        caption=comparison.display.caption,
        has_invalid_pixels=comparison.has_invalid_pixels,
        metrics=metrics,
        scores=scores,
    )


def data_uri(pixels: Pixels) -> str:
    """The image without loss: WebP, or PNG where Pillow was built without it.

    By `benchmarks/page_images.py` these settings give files a quarter smaller than PNG, and 5 % larger than
    the smallest WebP, which takes seven times as long.
    """
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if features.check("webp"):
        image.save(file, "WEBP", lossless=True, quality=0, method=1)
        kind = "webp"
    else:
        image.save(file, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def error_ceiling(comparison: ImageComparison) -> float:
    """A round number, in the unit of the errors, that all but one in a hundred errors of the losses stay below."""
    methods = list(comparison.restored) or [DEGRADED] * (comparison.degraded is not None)
    errors = [counting(error_of(comparison, method)) for method in methods]
    high = max((float(np.quantile(error, 0.99)) for error in errors if error.size), default=0.0)
    if not comparison.display.pixels.is_8bit:
        return round_up(high)
    return next((ceiling for ceiling in CEILINGS if high <= ceiling), CEILINGS[-1])


def counting(errors: Map) -> Map:
    """The errors of the pixels that count, (n,)."""
    return errors[~np.isnan(errors)]


def round_up(value: float) -> float:
    """The next of the numbers 1, 2 and 5 times a power of ten; 1 where there is none.

    >>> round_up(130.0), round_up(0.0031), round_up(500), round_up(0)
    (200.0, 0.005, 500.0, 1.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{next(step for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9)) * power:.1g}")


def error_text(errors: Map, comparison: ImageComparison, digits: int) -> str:
    """The mean of errors in the unit of the files; of 8-bit levels with so many digits."""
    mean = float(valid.mean()) if (valid := counting(errors)).size else math.nan
    return number(mean, digits) if comparison.display.pixels.is_8bit else significant(mean)


def error_shades(error: Map, ceiling: float) -> Pixels:
    """An error map in shades of gray: 0 is none, `SHADES` is `ceiling` and more, 255 does not count.

    >>> error_shades(np.array([[0.0, 25.0, 90.0, np.nan]]), 50.0)[0, :, 0].tolist()
    [0, 127, 254, 255]
    """
    shades = np.nan_to_num(np.minimum(error / ceiling, 1) * SHADES + 0.5, nan=255)
    return np.repeat(shades.astype(np.uint8)[..., None], 3, -1)


def longest_side(comparisons: Sequence[ImageComparison]) -> int:
    """The side that images are cropped to, so that all versions of them have some `PIXELS`."""
    shapes = [(len(comparison.restored) + 2, *comparison.target.shape[:2]) for comparison in comparisons]
    sides = range(MAX_SIDE, LEAST, -32)
    fitting = (s for s in sides if sum(n * min(h, s) * min(w, s) for n, h, w in shapes) <= PIXELS)
    return next(fitting, LEAST)


def _cropped(comparison: ImageComparison, side: int) -> ImageComparison:
    """The part of this side, or what there is of it, around the window where the losses differ most."""
    height, width = comparison.target.shape[:2]
    crop = find_crops(comparison)[0] if max(height, width) > side else Crop(0, 0, 0)
    top, left = (
        min(max(0, start + crop.side // 2 - side // 2), max(0, length - side))
        for start, length in ((crop.y, height), (crop.x, width))
    )
    inner = (slice(top, top + side), slice(left, left + side))
    return replace(
        comparison,
        target=comparison.target[inner],
        degraded=None if comparison.degraded is None else comparison.degraded[inner],
        restored={loss: image[inner] for loss, image in comparison.restored.items()},
        errors={method: error[inner] for method, error in comparison.errors.items()},
    )


def cut(image: NDArray[Number], crop: Crop) -> NDArray[Number]:
    """The pixels of a window."""
    return image[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side]


def words_for(method: Method) -> str:
    """What a version of an image is, for those who do not see it."""
    return {"degraded": "degraded input", "target": "target"}.get(method.kind, f"restored with {method.name}")


def _frame(comparison: ImageComparison, spot: Crop, method: Method, image: Pixels, ceiling: float) -> Frame:
    is_target = method.kind == "target"
    error = np.zeros(image.shape[:2]) if is_target else error_of(comparison, method.name)
    return Frame(
        method=method,
        uri=data_uri(image),
        still=data_uri(cut(image, spot)),
        alt=f"{comparison.image}: {words_for(method)}",
        mean_error=error_text(error, comparison, 2),
        error_uri=data_uri(error_shades(error, ceiling)) if comparison.errors and not is_target else "",
    )


def first_rows(image: str, contents: ReportData) -> dict[str, Row]:
    """The scores of an image by method, of the first seed, whose images are shown."""
    rows: dict[str, Row] = {}
    for row in contents.rows:
        if row.image == image and (row.method not in rows or row.seed < rows[row.method].seed):
            rows[row.method] = row
    return rows


def _scores(
    image: str, contents: ReportData, methods: Sequence[Method]
) -> tuple[list[Metric], list[tuple[Method, list[Score]]]]:
    """The scores of the images shown, which are of the first seed; metrics that were not measured left out."""
    rows = first_rows(image, contents)
    known = [method for method in methods if method.name in rows]
    metrics = [
        ranking.metric
        for ranking in contents.rankings
        if any(not math.isnan(_value(rows, method, ranking.metric)) for method in known)
    ]
    table = []
    for method in known:
        scores = []
        for metric in metrics:
            values = [_value(rows, other, metric) for other in known]
            measured = [value for value in values if not math.isnan(value)]
            value = _value(rows, method, metric)
            best = value == (max if metric.higher_is_better else min)(measured)
            scores.append(Score(number(value, metric.digits), best))
        table.append((method, scores))
    return metrics, table


def _value(rows: dict[str, Row], method: Method, metric: Metric) -> float:
    return rows[method.name].scores.get(metric.name, math.nan)
