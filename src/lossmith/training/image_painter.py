"""Images painted by optimizing their pixels, as an engine: what becomes of files is up to `FileRestorer`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lossmith.core.devices import best_device, device_name
from lossmith.core.errors import LossmithError, counted
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.core.progress import ProgressBar
from lossmith.losses.perceptual.style_transfer import StyleTransferLoss
from lossmith.restoration import FileRestorer, PaintOptions
from lossmith.restoration.tiling.halo import Halo
from lossmith.restoration.tiling.plan import Planner, TilePlan
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.receptive_field import Sizes
from lossmith.training.image_optimization import OptimizationStep, optimize_image
from lossmith.training.style_recipe import PaintingRecipe
from lossmith.training.styles import open_style

logger = logging.getLogger(__name__)

LONGEST = 512
"""Pixels to which the longer side of an image is reduced, if no size is given: minutes on two CPU cores."""


def painting_restorer(paintings: Sequence[Path], recipe: PaintingRecipe, options: PaintOptions) -> FileRestorer:
    """What paints files in the style of paintings, without a model.

    Raises LossmithError as `open_style` does.
    """
    style = open_style(paintings, recipe)
    record = {**style.record, "iterations": recipe.iterations}
    engine = ImagePainter(
        style.loss.to(best_device()),
        recipe.iterations,
        "+".join(path.stem for path in paintings),
        {name: str(value) for name, value in record.items()},
    )
    reduced = "" if options.size else f", images reduced to {LONGEST} pixels"
    logger.info(
        f"painting in the style of {', '.join(map(str, paintings))} under {style.loss}, "
        f"{counted(recipe.iterations, 'iteration')} of L-BFGS at each size{reduced}; {device_name()}"
    )
    return FileRestorer(
        engine,
        replace(options, precision="float32", longest=LONGEST),
        planner=WholePlanner(engine, engine, Sizes(1, engine.minimum)),
    )


@dataclass(frozen=True)
class ImagePainter:
    """Optimizes every image under the loss of a style, beginning with itself; see `restoration.Engine`."""

    loss: StyleTransferLoss
    iterations: int
    name: str
    metadata: dict[str, str]
    receipt: dict[str, Any] = field(default_factory=dict)
    pixels: PixelFormat = RGB_8BIT
    scale: int = 1
    channels: int = 3
    multiple_of: int = 1
    size: tuple[int, int] | None = None

    @property
    def minimum(self) -> int:
        return self.loss.min_side

    def __call__(self, images: Tensor) -> Tensor:
        return torch.cat([self._optimize(image[None].to(best_device())).cpu() for image in images])

    def _optimize(self, photo: Tensor) -> Tensor:
        with ProgressBar() as bar:

            def show(step: OptimizationStep) -> None:
                bar.title = f"{step.size[1]} x {step.size[0]}"
                bar.update(step.done, lambda: f"iteration {step.iteration}, objective {step.value:.4g}")

            return optimize_image(self.loss, photo, iterations=self.iterations, progress=show)


class WholePlanner(Planner):
    """Plans every image in one piece: the style is that of the whole."""

    def plan(self, source: Raster, budget: float, halo: Halo, floor: int) -> TilePlan:
        if self.fits_whole(source, budget):
            return self.whole(source)
        need = source.height * source.width * self.bytes_per_pixel
        raise LossmithError(
            f"painting {source.width} x {source.height} pixels without a model takes about {need / 1e9:.1f} GB, "
            f"and {budget / 1e9:.1f} are free for it; take a smaller `size`"
        )


__all__ = ["ImagePainter", "WholePlanner", "painting_restorer"]
