"""The picture with which the page opens: close-ups of the spot where the losses differ most."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lossmith.report.crops import Crop, error_of, find_crops
from lossmith.report.data import ImageComparison, Pixels, ReportData
from lossmith.report.formatting import number
from lossmith.report.images import counting, cut, data_uri, error_text, first_rows, words_for
from lossmith.report.methods import TARGET, Method

MAX_LOSSES = 9
"""More would be too small: with the input, the target and the whole picture, two rows of six."""
WIDTH, GAP = 1200, 16
"""Of the strip on a wide screen, and between its pictures, in CSS pixels."""
ZOOMS = (4, 3, 2)
"""Whole factors by which close-ups are enlarged, the first that leaves a spot of `LEAST_SIDE` pixels."""
LEAST_SIDE = 56
THUMBNAIL = 288
"""The longer side of the whole picture, in pixels."""


@dataclass(frozen=True)
class CloseUp:
    """The spot in one version of the picture."""

    method: Method
    uri: str
    alt: str
    score: str
    """Of the whole picture; empty where it was not measured."""
    error: float
    """Mean absolute error in the spot, in the unit of the files; NaN where no pixel counts."""
    error_text: str


@dataclass(frozen=True)
class Opening:
    """One spot in all versions of one picture."""

    image: str
    crop: Crop
    close_ups: list[CloseUp]
    """The degraded input if it is known, each loss, the target."""
    losses: int
    left_out: int
    """Losses that are not shown here; those nearest to the target in this spot and furthest from it are."""
    metric: str
    """The name of the scores; empty where none was measured."""
    whole: Pixels
    """The whole target, small."""
    box: tuple[float, float, float, float]
    """Left, top, width and height of the spot, in percent of the picture."""
    columns: int
    """Pictures in a row of a wide screen, which are at most two rows."""
    tile: int
    """The side of a close-up on a wide screen, in CSS pixels."""
    unit: str = "in 8-bit levels"
    """Of the errors."""
    caption: str = ""
    """What the picture is and how it is shown; empty for 8-bit RGB."""
    has_invalid_pixels: bool = False

    @property
    def least_error(self) -> float:
        """The smallest error of a loss in the spot."""
        return min((shown.error for shown in self.close_ups if shown.method.kind == "loss"), default=math.nan)


def opening_of(contents: ReportData, methods: Sequence[Method]) -> Opening | None:
    """The opening picture, which is the first test image; None where there are none."""
    if not contents.comparisons:
        return None
    comparison = contents.comparisons[0]
    versions = _versions(comparison, methods)
    columns, side, zoom = layout(min(len(versions), MAX_LOSSES + 2) + 1)
    crop = find_crops(comparison, side)[0]
    metric, scores = _scores(comparison.image, contents)
    close_ups = [_close_up(comparison, crop, *version, scores) for version in versions]
    shown = _nearest_and_furthest(close_ups)
    height, width = comparison.target.shape[:2]
    return Opening(
        image=comparison.image,
        crop=crop,
        close_ups=shown,
        losses=len(comparison.restored),
        left_out=len(close_ups) - len(shown),
        metric=metric,
        whole=_small(comparison.target),
        box=(
            100 * crop.x / width,
            100 * crop.y / height,
            100 * crop.side / width,
            100 * crop.side / height,
        ),
        columns=columns,
        tile=max(1, zoom * side // crop.side) * crop.side,
        unit=comparison.display.unit_of_errors,
        caption=comparison.display.caption,
        has_invalid_pixels=comparison.has_invalid_pixels,
    )


def _close_up(
    comparison: ImageComparison, crop: Crop, method: Method, image: Pixels, scores: Mapping[str, str]
) -> CloseUp:
    is_target = method.kind == "target"
    whole = np.zeros(image.shape[:2]) if is_target else error_of(comparison, method.name)
    errors = counting(cut(whole, crop))
    return CloseUp(
        method,
        uri=data_uri(cut(image, crop)),
        alt=f"{comparison.image}, close-up: {words_for(method)}",
        score=scores.get(method.name, ""),
        error=float(errors.mean()) if errors.size else math.nan,
        error_text=error_text(errors, comparison, 1),
    )


def layout(pictures: int) -> tuple[int, int, int]:
    """The columns, the side of a spot in pixels and its enlargement, with which a strip fills a wide screen.

    >>> layout(5), layout(8), layout(12)
    ((5, 56, 4), (4, 72, 4), (6, 62, 3))
    """
    columns = pictures if pictures <= 5 else math.ceil(pictures / 2)
    room = (WIDTH - GAP * (columns - 1)) // columns
    zoom = next((zoom for zoom in ZOOMS if room // zoom >= LEAST_SIDE), ZOOMS[-1])
    return columns, room // zoom, zoom


def _versions(comparison: ImageComparison, methods: Sequence[Method]) -> list[tuple[Method, Pixels]]:
    """The degraded input if it is known, the losses in their order, the target."""
    images = {**comparison.restored, TARGET.name: comparison.target}
    if comparison.degraded is not None:
        images |= {m.name: comparison.degraded for m in methods if m.kind == "degraded"}
    order = {"degraded": 0, "loss": 1, "target": 2}
    shown = sorted((m for m in (*methods, TARGET) if m.name in images), key=lambda m: order[m.kind])
    return [(method, images[method.name]) for method in shown]


def _nearest_and_furthest(close_ups: Sequence[CloseUp]) -> list[CloseUp]:
    """All close-ups, or of the losses as many of the smallest and of the largest errors as there is room for."""
    ranked = sorted((shown for shown in close_ups if shown.method.kind == "loss"), key=lambda shown: shown.error)
    furthest = MAX_LOSSES // 2
    left_out = {shown.method.name for shown in ranked[MAX_LOSSES - furthest : -furthest]}
    return [shown for shown in close_ups if len(ranked) <= MAX_LOSSES or shown.method.name not in left_out]


def _scores(image: str, contents: ReportData) -> tuple[str, dict[str, str]]:
    """The name of the first metric, and the scores in it of all methods that have one for this image."""
    if not contents.rankings:
        return "", {}
    metric = contents.rankings[0].metric
    values = {name: row.scores.get(metric.name, math.nan) for name, row in first_rows(image, contents).items()}
    return metric.label, {
        name: f"{number(value, metric.digits)} {metric.unit}".strip()
        for name, value in values.items()
        if not math.isnan(value)
    }


def _small(image: Pixels) -> Pixels:
    """The image with its longer side at most `THUMBNAIL` pixels."""
    small = Image.fromarray(np.ascontiguousarray(image))
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return np.asarray(small)


__all__ = ["CloseUp", "Opening", "opening_of"]
