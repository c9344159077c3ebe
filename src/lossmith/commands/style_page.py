"""The page of a learned style: what it was learned from, what it paints, and what its weight changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from lossmith.commands.command_line import changed
from lossmith.core.devices import best_device
from lossmith.core.errors import counted
from lossmith.core.progress import ProgressBar
from lossmith.core.provenance import environment
from lossmith.data import image_names, to_uint8_hwc
from lossmith.data.photos import read_reduced
from lossmith.degradations import from_8bit
from lossmith.losses.perceptual.style_transfer import TERMS, StyleTransferLoss
from lossmith.report.data import Pixels
from lossmith.report.formatting import duration, significant
from lossmith.report.pages.side_by_side import RestoredImage
from lossmith.report.pages.style import StyleContents, write_style
from lossmith.training import RunFolder, RunSummary, StyleRecipe
from lossmith.training.image_optimization import OptimizationStep, optimize_image

MAX_PHOTOS = 4
"""Photographs on the page."""
PHOTO_SIDE, GRID_SIDE = 400, 128
"""Shorter sides of these, and of the one that is painted over weights."""
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""The weights in the grid, relative to the recipe's."""
ITERATIONS = 20
"""Iterations of L-BFGS for each of them."""


@dataclass(frozen=True)
class LearnedFrom:
    """The settings of a finished run that its page shows."""

    paintings: dict[str, Tensor]
    """(1, 3, H, W) by name, as they were learned from."""
    samples: Sequence[Path]
    photos: int
    loss: StyleTransferLoss
    recipe: StyleRecipe
    seed: int
    command: str


def write_style_page(
    page: Path, learned: LearnedFrom, run: RunFolder, summary: RunSummary, restorer: nn.Module
) -> None:
    """Write the page of a style; its samples are painted anew, larger than in the run.

    Raises LossmithError when the page cannot be written.
    """
    samples = learned.samples[:MAX_PHOTOS]
    restorer = restorer.eval().to(best_device())
    settings = {**changed(learned.recipe), **asdict(learned.recipe.training)}
    contents = StyleContents(
        name=page.stem,
        lead=f"Learned on {counted(learned.photos, 'photograph')} in {counted(summary.steps, 'step')}, "
        f"{duration(summary.seconds)}. The network paints a photograph in a single pass.",
        styles={name: to_uint8_hwc(image[0]) for name, image in learned.paintings.items()},
        images=[_painted(restorer, *sample) for sample in zip(image_names(samples), samples, strict=True)],
        curves=_curves(run),
        command=learned.command,
        facts={
            "Objective": str(learned.loss),
            "Recipe": ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None),
            "Seed": str(learned.seed),
            **environment(),
            "Device": summary.device,
        },
        weights=dict(_over_weights(learned.loss, samples[0], learned.recipe.style_weight)),
        weights_note=f"What --style-weight changes, painted without a network: {ITERATIONS} iterations of L-BFGS "
        "on the pixels of a small photograph, anew for each weight.",
    )
    write_style(page, contents)


def _painted(restorer: nn.Module, name: str, path: Path) -> RestoredImage:
    photo = from_8bit(read_reduced(path, PHOTO_SIDE))
    with torch.no_grad():
        painting = restorer(photo[None].to(best_device()))[0].clamp(0, 1).cpu()
    height, width = photo.shape[1:]
    versions = {"photograph": to_uint8_hwc(photo), "painting": to_uint8_hwc(painting)}
    return RestoredImage(name, versions, f"{width} × {height} pixels")


def _curves(run: RunFolder) -> dict[str, list[float]]:
    """The loss and its terms, one value for each step: that of the row it belongs to."""
    steps, values = run.curves()
    lengths = [end - start for start, end in pairwise([0, *steps])]
    return {
        name: [value for value, length in zip(values[name], lengths, strict=True) for _ in range(length)]
        for name in ("loss", *TERMS)
    }


def _over_weights(loss: StyleTransferLoss, path: Path, style_weight: float) -> Iterator[tuple[str, Pixels]]:
    """The photograph, and what its pixels become under each weight of the style, by caption."""
    photo = from_8bit(read_reduced(path, GRID_SIDE))[None].to(best_device())
    yield "photograph", to_uint8_hwc(photo[0].cpu())
    loss = loss.to(photo.device)
    with ProgressBar("painting the page") as bar:
        for number, factor in enumerate(FACTORS):

            def advance(step: OptimizationStep, before: int = number) -> None:
                bar.update((before + step.done) / len(FACTORS))

            image = optimize_image(
                reweighted(loss, factor), photo, iterations=ITERATIONS, levels=1, progress=advance
            )
            this = ", that of this style" if factor == 1 else ""
            yield f"weight {significant(factor * style_weight)}{this}", to_uint8_hwc(image[0].cpu())


def reweighted(loss: StyleTransferLoss, factor: float) -> StyleTransferLoss:
    """The same objective with more or less weight on the style; the networks are shared."""
    other = copy(loss)
    other.term_weights = {**loss.term_weights, "style": factor * loss.term_weights["style"]}
    return other


__all__ = ["LearnedFrom", "reweighted", "write_style_page"]
