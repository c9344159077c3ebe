"""How well lines are drawn: the completeness, correctness and quality of road extraction."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.morphology import skeletonize

Mask = NDArray[np.bool_]
"""(H, W), true where a structure is."""


def skeleton(mask: NDArray[Any]) -> Mask:
    """The lines, one pixel wide, in the middle of the structures of a mask, (H, W)."""
    lines: Mask = skeletonize(mask)  # type: ignore[no-untyped-call]
    return lines


def line_scores(extracted: Mask, reference: Mask, tolerance: int) -> dict[str, float]:
    """Completeness, correctness and quality of lines, each from 0 to 1, best.

    A pixel is matched if the other drawing has one at most `tolerance` away, in straight lines. Then

        completeness = matched reference / reference
        correctness = matched extraction / extraction
        quality = matched extraction / (extraction + unmatched reference)

    with lengths in pixels of lines that are one pixel wide, such as `skeleton` gives. Of nothing, all is complete
    and correct: 0 / 0 counts as 1. So an empty drawing has completeness 0, correctness 1 and quality 0; lines
    where the reference has none have completeness 1 and the others 0; and nothing drawn of nothing has 1 in all.

    References
    ----------
    Heipke, Mayer, Wiedemann and Jamet, Evaluation of Automatic Road Extraction, 1997; Wiedemann, Heipke, Mayer and
    Jamet, Empirical Evaluation of Automatically Extracted Road Axes, 1998.

    >>> reference = np.eye(9, dtype=bool)
    >>> line_scores(reference[:, ::-1], reference, tolerance=0)["quality"] == 1 / (9 + 8)
    True
    """
    matched_extraction = _length(extracted & _within(reference, tolerance))
    matched_reference = _length(reference & _within(extracted, tolerance))
    unmatched_reference = _length(reference) - matched_reference
    return {
        "quality": _ratio(matched_extraction, _length(extracted) + unmatched_reference),
        "completeness": _ratio(matched_reference, _length(reference)),
        "correctness": _ratio(matched_extraction, _length(extracted)),
    }


def _length(lines: Mask) -> int:
    return int(np.count_nonzero(lines))


def _within(lines: Mask, tolerance: int) -> Mask:
    """Where a pixel of the lines is at most so far away."""
    if not lines.any():  # SciPy's distance to nothing is a number
        return lines
    near: Mask = distance_transform_edt(~lines) <= tolerance
    return near


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


__all__ = ["Mask", "line_scores", "skeleton"]
