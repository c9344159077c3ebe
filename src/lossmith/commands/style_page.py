"""The page of a learned style: what it was learned from, what it paints, and what its weight changes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isnan
from pathlib import Path

import torch
from torch import Tensor, nn

from lossmith.core.errors import counted
from lossmith.core.progress import ProgressBar
from lossmith.core.provenance import environment
from lossmith.data import image_names, to_uint8_hwc
from lossmith.data.photos import read_reduced
from lossmith.degradations import from_8bit
from lossmith.losses.perceptual.style_transfer import TERMS, StyleTransferLoss
from lossmith.report.data import Pixels
from lossmith.report.formatting import duration
from lossmith.report.pages.side_by_side import RestoredImage
from lossmith.report.pages.style import StyleContents, write_style
from lossmith.training import RunFolder, RunSummary, StyleRecipe
from lossmith.training.image_optimization import OptimizationStep, optimize_image
from lossmith.training.styles import Style

MAX_PHOTOS = 4
"""Photographs on the page."""
PHOTO_SIDE, GRID_SIDE = 512, 128
"""Shorter sides of these, and of the one that is painted over weights."""
FACTORS = (10.0, 3.0, 1.0, 0.3, 0.1)
"""The weights in the grid, relative to the recipe's; each painting begins with the one before."""
ITERATIONS = 20
"""Iterations of L-BFGS for each of them."""


@dataclass(frozen=True)
class LearnedFrom:
    """The settings of a finished run that its page shows."""

    style: Style
    samples: Sequence[Path]
    photos: int
    """How many photographs it was trained on."""
    recipe: StyleRecipe
    seed: int
    command: str


def write_style_page(
    page: Path, learned: LearnedFrom, run: RunFolder, summary: RunSummary, restorer: nn.Module
) -> None:
    """Write the page of a style; its samples are painted anew, on the CPU, and larger than in the run.

    Raises LossmithError when the page cannot be written.
    """
    samples = learned.samples[:MAX_PHOTOS]
    settings = {name: value for name, value in asdict(learned.recipe).items() if value is not None}
    contents = StyleContents(
        name=page.stem,
        lead=f"Learned on {counted(learned.photos, 'photograph')} in {counted(summary.steps, 'step')}, "
        f"{duration(summary.seconds)}. The network paints a photograph in a single pass.",
        styles={name: to_uint8_hwc(image[0]) for name, image in learned.style.paintings.items()},
        images=[_painted(restorer, *sample) for sample in zip(image_names(samples), samples, strict=True)],
        curves=_curves(run),
        command=learned.command,
        facts={
            "Objective": str(learned.style.loss),
            "Recipe": ", ".join(f"{name} {value}" for name, value in settings.items()),
            "Seed": str(learned.seed),
            **environment(),
            "Device": summary.device,
        },
        weights=_over_weights(restorer, learned.style.loss, samples[0], learned.recipe.style_weight),
        weights_note="What --style-weight changes, without training anew: the pixels of the network's painting "
        f"of a small photograph, optimized for each weight by {ITERATIONS} iterations of L-BFGS.",
    )
    write_style(page, contents)


def _painted(restorer: nn.Module, name: str, path: Path) -> RestoredImage:
    photo = _photo(path, PHOTO_SIDE)
    height, width = photo.shape[2:]
    versions = {"photograph": photo, "painting": _painting(restorer, photo)}
    pixels = {caption: to_uint8_hwc(image[0]) for caption, image in versions.items()}
    return RestoredImage(name, pixels, f"{width} × {height} pixels")


def _photo(path: Path, short_side: int) -> Tensor:
    return from_8bit(read_reduced(path, short_side))[None]


@torch.no_grad()
def _painting(restorer: nn.Module, photo: Tensor) -> Tensor:
    painting: Tensor = restorer(photo)
    return painting.clamp(0, 1)


def _curves(run: RunFolder) -> dict[str, list[float]]:
    """The loss and its terms of any weight, one value for each step: that of the row it belongs to."""
    steps, values = run.curves()
    logged = [index for index, value in enumerate(values["loss"]) if not isnan(value)]
    ends = [0, *(steps[index] for index in logged)]
    return {
        name: [
            values[name][index]
            for index, (start, end) in zip(logged, pairwise(ends), strict=True)
            for _ in range(start, end)
        ]
        for name in ("loss", *TERMS)
        if all(values[name][index] > 0 for index in logged)
    }


def _over_weights(
    restorer: nn.Module, loss: StyleTransferLoss, path: Path, style_weight: float
) -> dict[str, Pixels]:
    """The photograph, and what its painting becomes under each weight of the style, by caption."""
    photo = _photo(path, GRID_SIDE)
    painting = _painting(restorer, photo)
    paintings: dict[str, Pixels] = {}
    with ProgressBar("painting the page") as bar:
        for number, factor in enumerate(FACTORS):

            def advance(step: OptimizationStep, before: int = number) -> None:
                bar.update((before + step.done) / len(FACTORS))

            painting = optimize_image(
                reweighted(loss, factor), photo, start=painting, iterations=ITERATIONS, levels=1, progress=advance
            )
            this = ", that of this style" if factor == 1 else ""
            paintings[f"weight {factor * style_weight:.3g}{this}"] = to_uint8_hwc(painting[0])
    return {"photograph": to_uint8_hwc(photo[0]), **dict(reversed(paintings.items()))}


def reweighted(loss: StyleTransferLoss, factor: float) -> StyleTransferLoss:
    """The same objective with more or less weight on the style; the networks are shared."""
    other = copy(loss)
    other.term_weights = {**loss.term_weights, "style": factor * loss.term_weights["style"]}
    return other


__all__ = ["LearnedFrom", "reweighted", "write_style_page"]
