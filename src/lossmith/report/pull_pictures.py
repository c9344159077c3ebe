"""Where the terms of each loss pull at a restored image, as pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossmith.expressions import brief
from lossmith.report.data import ErrorMap, ImageComparison, Pixels, PullMaps
from lossmith.report.display import INVALID
from lossmith.report.formatting import percent
from lossmith.report.images import counting, data_uri, round_up
from lossmith.report.methods import Method

RAMP = ((0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51), (249, 140, 10),
        (249, 201, 50), (252, 255, 164))  # fmt: skip
"""The colors of strength: those of the error maps, see `errors.js`."""
SHADES = 48
"""Steps of the colors: few enough that the maps are light."""
CHARACTERS = 1_800_000
"""Of the data URIs of all maps on a page together; the test images have the rest of its room."""
REST = 0.005
"""The part of all pixels that may pull more strongly than the brightest color says."""


@dataclass(frozen=True)
class TermPicture:
    """The map of one term."""

    label: str
    share: str
    uri: str


@dataclass(frozen=True)
class PullPictures:
    """The maps of one loss, in one scale of colors."""

    method: Method
    restored: str
    """The restored image in the same window."""
    terms: list[TermPicture]
    width: int
    height: int
    end: str
    """How often the mean pull of all terms together is what the brightest color stands for."""

    @property
    def characters(self) -> int:
        return len(self.restored) + sum(len(term.uri) for term in self.terms)


def all_pull_pictures(
    comparisons: Sequence[ImageComparison], methods: Sequence[Method]
) -> dict[str, list[PullPictures]]:
    """The maps by the names of the test images; of the first images only, where all would make the page heavy."""
    pictures: dict[str, list[PullPictures]] = {}
    left = CHARACTERS
    for comparison in comparisons:
        several = pull_pictures(comparison, methods)
        left -= sum(picture.characters for picture in several)
        if left < 0 and pictures:
            break
        pictures[comparison.image] = several
    return pictures


def pull_pictures(comparison: ImageComparison, methods: Sequence[Method]) -> list[PullPictures]:
    """The maps of every loss that has some, in the order of the losses."""
    return [
        _pictures(comparison, method, comparison.pulls[method.name])
        for method in methods
        if method.name in comparison.pulls
    ]


def _pictures(comparison: ImageComparison, method: Method, pulls: PullMaps) -> PullPictures:
    height, width = next(iter(pulls.maps.values())).shape
    strengths = np.concatenate([counting(strength.astype(np.float64)) for strength in pulls.maps.values()])
    ceiling = round_up(float(np.quantile(strengths, 1 - REST)))
    window = comparison.restored[method.name][pulls.y : pulls.y + height, pulls.x : pulls.x + width]
    return PullPictures(
        method,
        data_uri(window),
        [
            TermPicture(brief(term), percent(pulls.shares[term]), data_uri(colored(strength, ceiling)))
            for term, strength in pulls.maps.items()
        ],
        width,
        height,
        f"{ceiling:g}",
    )


def colored(strength: ErrorMap, ceiling: float) -> Pixels:
    """A map in the colors of strength, (height, width, 3): black is none, the brightest `ceiling` and more.

    Pixels that do not count, which are NaN, have a color of their own.

    >>> colored(np.array([[0.0, 9.0, np.nan]], dtype=np.float32), 2.0)[0].tolist()
    [[0, 0, 4], [252, 255, 164], [86, 118, 148]]
    """
    stops = np.linspace(0, 1, len(RAMP))
    table = np.stack([np.interp(np.linspace(0, 1, SHADES), stops, channel) for channel in np.transpose(RAMP)], -1)
    levels = np.nan_to_num(np.minimum(strength / ceiling, 1) * (SHADES - 1)).round().astype(int)
    colors: Pixels = table.round().astype(np.uint8)[levels]
    colors[np.isnan(strength)] = INVALID
    return colors


__all__ = ["PullPictures", "TermPicture", "all_pull_pictures", "colored", "pull_pictures"]
