"""Charts of documentation pages as SVG without a script, readable on light and on dark ground."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from lossmith.report.scatter import Scale

WIDTH, HEIGHT = 720, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 20, 56
"""Margins, in the units of the chart, about a pixel each."""
LETTER, ROW = 6.6, 14
"""Width and height of a letter of a label, with some room around it."""
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56a0d3")
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #222 }
.grid { stroke: #ddd } .axis { stroke: #888 } .bar { stroke: #999 } .front { stroke: #0072b2; fill: none }
.label { paint-order: stroke; stroke: #fff; stroke-width: 3 }
.dot { fill: #0072b2 } .line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .grid { stroke: #444 } .bar { stroke: #888 }
  .label { stroke: #0d1117 } .front { stroke: #56b4e9 } .dot { fill: #56b4e9 }
}
</style>"""

Interval = tuple[float, float]
Line = Sequence[tuple[float, float]]
"""Points (x, y)."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


@dataclass(frozen=True)
class Dot:
    """A labeled point; its intervals, where there are any, are drawn as bars, cut off where they are very long."""

    label: str
    x: float
    y: float
    x_interval: Interval | None = None
    y_interval: Interval | None = None


@dataclass(frozen=True)
class Axis:
    """What is along a side of a chart."""

    title: str
    reverse: bool = False
    """Whether small values are at the far end, so that better is to the right and up."""


def scatter_chart(dots: Sequence[Dot], across: Axis, up: Axis, front: Sequence[str] = (), title: str = "") -> str:
    """Labeled points; `front` names those that a line joins, in its order."""
    x = _scale(_range([(dot.x, dot.x_interval) for dot in dots]), across, LEFT, WIDTH - RIGHT)
    y = _scale(_range([(dot.y, dot.y_interval) for dot in dots]), up, HEIGHT - BOTTOM, TOP)
    parts = [*_frame(x, y, across, up)]
    by_label = {dot.label: dot for dot in dots}
    if places := [(x.place(by_label[name].x), y.place(by_label[name].y)) for name in front]:
        parts.append(f'<polyline class="front" points="{_points(places)}"/>')
    for dot in dots:
        left, top = x.place(dot.x), y.place(dot.y)
        if dot.x_interval:
            low, high = (x.place(_within(end, x)) for end in dot.x_interval)
            parts.append(f'<path class="bar" d="M{low} {top}H{high}"/>')
        if dot.y_interval:
            low, high = (y.place(_within(end, y)) for end in dot.y_interval)
            parts.append(f'<path class="bar" d="M{left} {low}V{high}"/>')
    boxes = [(x.place(d.x) - 5, y.place(d.y) - 5, x.place(d.x) + 5, y.place(d.y) + 5) for d in dots]
    for dot in sorted(dots, key=lambda dot: dot.label):
        left, top = x.place(dot.x), y.place(dot.y)
        box = label_box(left, top, dot.label, boxes)
        boxes.append(box)
        parts.append(f'<circle class="dot" cx="{left}" cy="{top}" r="4"/>')
        parts.append(f'<text class="label" x="{box[0] + 2:.1f}" y="{box[3] - 3:.1f}">{escape(dot.label)}</text>')
    return _svg(parts, title)


def line_chart(lines: Mapping[str, Sequence[Line]], across: Axis, up: Axis, title: str) -> str:
    """One or several lines of the same color for each name."""
    points = [point for several in lines.values() for line in several for point in line]
    x = _scale([x for x, _ in points], across, LEFT, WIDTH - RIGHT, air=0.0)
    y = _scale([y for _, y in points], up, HEIGHT - BOTTOM, TOP)
    parts = [*_frame(x, y, across, up)]
    for number, (name, several) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        for line in several:
            places = _points([(x.place(a), y.place(b)) for a, b in line])
            parts.append(f'<polyline class="line" stroke="{color}" points="{places}"/>')
        at = HEIGHT - BOTTOM - 12 - ROW * 1.3 * (len(lines) - 1 - number)
        parts.append(f'<path d="M{WIDTH - 320} {at - 4:.1f}h20" stroke="{color}" stroke-width="3"/>')
        parts.append(f'<text x="{WIDTH - 292}" y="{at:.1f}">{escape(name)}</text>')
    return _svg(parts, title)


def label_box(x: float, y: float, label: str, taken: Sequence[Box]) -> Box:
    """Where a label stands near its point: the nearest place inside the chart that overlaps least.

    >>> label_box(100, 100, "l1", [])  # to the right
    (107, 93.0, 124.2, 107.0)
    >>> label_box(100, 100, "l1", [(107, 93, 130, 107)])[0] < 100
    True
    """
    width = LETTER * len(label) + 4
    candidates = []
    for distance in (0, 1, 2, 3):
        for side in (7, -7 - width, -width / 2):
            for row in (0, -1, 1):
                if side == -width / 2 and row == 0:
                    continue
                top = y - ROW / 2 + row * ROW * (distance + (side == -width / 2 or 0.6))
                candidates.append((x + side, top, x + side + width, top + ROW))
    inside = [box for box in candidates if min(box[:2]) >= 2 and box[2] <= WIDTH - 2 and box[3] <= HEIGHT - BOTTOM]
    return min(inside or candidates, key=lambda box: sum(_overlap(box, other) for other in taken))


def _overlap(one: Box, other: Box) -> float:
    return max(0.0, min(one[2], other[2]) - max(one[0], other[0])) * max(
        0.0, min(one[3], other[3]) - max(one[1], other[1])
    )


def _range(places: Sequence[tuple[float, Interval | None]]) -> tuple[float, float]:
    """What a side shows: all points, and their intervals as far as these are not much longer than that.

    >>> _range([(0.0, None), (10.0, (9.0, 12.0)), (5.0, (-90.0, 100.0))])
    (-5.0, 15.0)
    """
    low, high = min(place for place, _ in places), max(place for place, _ in places)
    ends = [end for _, interval in places if interval for end in interval]
    if low == high:
        return min([low, *ends]), max([high, *ends])
    room = (high - low) / 2
    return max(min([low, *ends]), low - room), min(max([high, *ends]), high + room)


def _within(value: float, scale: Scale) -> float:
    return min(max(value, scale.low), scale.high)


def _scale(values: Sequence[float], axis: Axis, start: float, end: float, air: float = 0.06) -> Scale:
    low, high = min(values), max(values)
    margin = air * (high - low) or (0.0 if high > low else 1.0)
    ends = (end, start) if axis.reverse else (start, end)
    return Scale(low - margin, high + margin, *ends)


def _frame(x: Scale, y: Scale, across: Axis, up: Axis) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for place, text in x.ticks:
        yield f'<path class="grid" d="M{place} {TOP}V{bottom}"/>'
        yield f'<text x="{place}" y="{bottom + 18}" text-anchor="middle">{text}</text>'
    for place, text in y.ticks:
        yield f'<path class="grid" d="M{LEFT} {place}H{right}"/>'
        yield f'<text x="{LEFT - 8}" y="{place + 4}" text-anchor="end">{text}</text>'
    yield f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
    middle = (TOP + bottom) / 2
    yield f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(across.title)}</text>'
    turned = f'transform="rotate(-90 16 {middle})"'
    yield f'<text x="16" y="{middle}" text-anchor="middle" {turned}>{escape(up.title)}</text>'


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _svg(parts: Sequence[str], title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", STYLE, *parts, "</svg>\n"])


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(page: str, parts: Mapping[str, str]) -> str:
    """A page with these texts between its marks `<!-- NAME -->` and `<!-- end NAME -->`.

    Raises ValueError for a mark that the page does not have.

    >>> filled("a <!-- x -->old<!-- end x --> z", {"x": "new"})
    'a <!-- x -->new<!-- end x --> z'
    """
    for name, text in parts.items():
        before, mark, rest = page.partition(f"<!-- {name} -->")
        _, end, after = rest.partition(f"<!-- end {name} -->")
        if not end:
            raise ValueError(f"the page has no place for {name!r}")
        page = before + mark + text + end + after
    return page


__all__ = ["Axis", "Dot", "filled", "label_box", "line_chart", "markdown", "scatter_chart"]
