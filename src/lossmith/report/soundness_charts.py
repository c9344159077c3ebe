"""The charts of a certificate: frequency response and inversion, as places in a drawing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossmith.losses.frequency_response import EDGES, band_names

BOX = (400, 230)
"""Width and height of a drawing, in its own units."""
FRAME = (46.0, 14.0, 386.0, 186.0)
"""Left, top, right and bottom of the plot in it."""
FLOOR, CEILING = 1e-3, 1e3
"""What is smaller or larger is drawn at the edge."""
STYLES = {"gray": ("m0", "circle"), "blue to yellow": ("m1", "square"), "red to green": ("m3", "diamond")}


@dataclass(frozen=True)
class Line:
    """A line of a chart with its dots, and the values for those who point at them."""

    name: str
    style: str
    shape: str
    dots: list[tuple[float, float, str]]
    """Place across and down, and the value in words."""

    @property
    def points(self) -> str:
        """Of a polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in self.dots)


@dataclass(frozen=True)
class Chart:
    """Lines, and the ticks of both axes: place and label."""

    lines: list[Line]
    across: list[tuple[float, str]]
    up: list[tuple[float, str]]


def response_chart(response: Mapping[str, Sequence[float]]) -> Chart:
    """The sensitivity by frequency band, on a logarithmic axis; bands without a value are left out."""
    bands = band_names()
    values = [value for row in response.values() for value in row if value > 0 and math.isfinite(value)]
    low, high = (math.floor(math.log10(max(FLOOR, min([0.5, *values])))), math.ceil(math.log10(max([2, *values]))))
    high = min(high, round(math.log10(CEILING)))
    left, top, right, bottom = FRAME
    step = (right - left) / len(bands)

    def down(value: float) -> float:
        power = math.log10(value) if value > 0 else -math.inf
        return bottom - (bottom - top) * (min(max(power, low), high) - low) / (high - low)

    lines = [
        Line(
            color,
            *STYLES.get(color, ("m0", "circle")),
            [
                (left + step * (place + 0.5), down(value), f"{color}, {bands[place]}: {value:.3g}")
                for place, value in enumerate(row)
                if not math.isnan(value)
            ],
        )
        for color, row in response.items()
    ]
    across = [(left + step * place, f"{edge:g}") for place, edge in enumerate(EDGES)]
    return Chart(lines, across, [(down(10.0**power), f"{10.0**power:g}") for power in range(low, high + 1)])


def inversion_chart(curve: Sequence[tuple[int, float]]) -> Chart:
    """PSNR over the steps of Adam, on a logarithmic axis of steps."""
    real = [psnr for _, psnr in curve if math.isfinite(psnr)]
    high = max(40.0, 20 * math.ceil(max(real, default=0.0) / 20))
    low = min(0.0, 10 * math.floor(min(real, default=0.0) / 10))
    left, top, right, bottom = FRAME
    first, last = (math.log(max(1, step)) for step in (curve[0][0], curve[-1][0]))

    def place(step: int) -> float:
        share = (math.log(max(1, step)) - first) / (last - first) if last > first else 0.5
        return left + 12 + (right - left - 24) * share

    def down(psnr: float) -> float:
        return bottom - (bottom - top) * (min(max(psnr, low), high) - low) / (high - low)

    dots = [
        (place(step), down(psnr), f"after {step} steps: {psnr:.1f} dB")
        for step, psnr in curve
        if not math.isnan(psnr)
    ]
    ticks = range(int(low), int(high) + 1, 10 if high - low <= 50 else 20)
    return Chart(
        [Line("PSNR", "m0", "circle", dots)],
        [(place(step), str(step)) for step, _ in curve],
        [(down(tick), str(tick)) for tick in ticks],
    )


__all__ = ["BOX", "FRAME", "Chart", "Line", "inversion_chart", "response_chart"]
