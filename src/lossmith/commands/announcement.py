"""The sentence with which a training announces itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lossmith import evaluation
from lossmith.core.devices import device_name
from lossmith.data import Data
from lossmith.training import Recipe

if TYPE_CHECKING:
    from lossmith.data import PreparedData


def announcement(
    losses: str, recipe: Recipe, data: Data, prepared: PreparedData, out: Path, devices: int, runs: int = 1
) -> str:
    """What is trained, for how long, on which images and device, and where the results will be: one line."""
    from lossmith.core.pixel_format import RGB_8BIT  # it needs torch

    trained = len(prepared.source.names)
    tested = len({evaluation.without_level(pair.name) for pair in prepared.test_pairs})
    samples = data.images is None and data.clean is None
    kind = "sample photographs of scikit-image" if samples else "image" if trained == 1 else "images"
    tests = f"{tested} of {tested + prepared.untested}" if prepared.untested else f"{tested} more"
    times = f"{runs} runs of " if runs > 1 else ""
    start = f" from {recipe.init}" if recipe.init else ""
    pixels = "" if prepared.pixels == RGB_8BIT else f" ({prepared.pixels})"
    return (
        f"training {recipe.network}{start} under {losses}, {times}{recipe.budget}, to undo "
        f"{prepared.degradation}; "
        f"on {trained} {kind}{pixels}, tested on {tests}; {device_name(devices)}; into {out}"
    )
