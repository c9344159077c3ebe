"""The colors of the page can be seen: WCAG 2 contrast in light and dark."""

import re
from itertools import combinations

import pytest

from lossmith.report.methods import COLORS
from lossmith.report.templates import ASSETS

CSS = (ASSETS / "styles" / "theme.css").read_text("utf-8")
LIGHT_COLORS, DARK_COLORS = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in CSS.split("@media", 1))


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT_COLORS, DARK_COLORS], ids=["light", "dark"])
def test_colors_have_enough_contrast(theme: dict[str, str]) -> None:
    for text in ("ink", "soft", "accent", "alarm"):
        for ground in ("paper", "card"):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    assert contrast(theme["on-accent"], theme["accent"]) >= 4.5
    assert contrast(theme["alarm"], theme["alarm-wash"]) >= 4.5
    assert contrast(theme["ink"], theme["wash"]) >= 4.5
    colors = [theme[f"m{i}"] for i in range(COLORS)]
    assert all(contrast(color, theme["card"]) >= 3 for color in colors)
    assert all(one != other for one, other in combinations(colors, 2))
