"""Small curves of one value a step, drawn without a script."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lossmith.report.formatting import significant

POINTS = 160
"""Points of a drawn curve; each is the mean of several iterations."""
WIDE, TALL = 320, 90
"""Width and height of a curve's SVG, in its own units."""


def curve(values: Sequence[float], logarithmic: bool = False) -> str:
    """The points of a polyline that fills the drawing from the least value to the largest.

    Logarithmic curves are for values above 0.

    >>> curve([0.0, 1.0, 0.5])
    '0.0,90.0 160.0,0.0 320.0,45.0'
    >>> curve([1.0, 100.0, 10.0], logarithmic=True)
    '0.0,90.0 160.0,0.0 320.0,45.0'
    """
    means = np.log(_thinned(values)) if logarithmic else _thinned(values)
    spread = float(np.ptp(means)) or 1.0
    across = np.linspace(0, WIDE, len(means))
    up = TALL * (1 - (means - means.min()) / spread)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))


def ends(values: Sequence[float]) -> tuple[str, str]:
    """The values at the bottom and the top of the drawing.

    >>> ends([0.0, 1.0, 0.5])
    ('0', '1.00')
    """
    means = _thinned(values)
    return significant(float(means.min())), significant(float(means.max()))


def last(values: Sequence[float]) -> str:
    """The mean of the last tenth."""
    return significant(float(np.mean(values[-max(1, len(values) // 10) :])))


def _thinned(values: Sequence[float]) -> NDArray[np.float64]:
    parts = np.array_split(np.asarray(values, dtype=np.float64), min(POINTS, len(values)))
    return np.array([part.mean() for part in parts])


TEMPLATE_NAMES = {"curve": curve, "ends": ends, "last": last, "box": f"0 0 {WIDE} {TALL}"}
"""What `sections/small_curves.html.j2` uses."""
