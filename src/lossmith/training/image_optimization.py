"""An image whose pixels are optimized under a loss, coarse to fine, without any network that restores."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses import LossLike, as_loss

COARSEST = 128
"""The least shorter side of the coarser sizes, in pixels: of fewer, little is left of a photograph."""
STALLED_AFTER = 3
"""Iterations without any change after which a size is finished."""

LINE_SEARCH = 25
"""Evaluations after which the search for the length of a step gives up."""

Value = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class OptimizationStep:
    """How far an optimization has come."""

    iteration: int
    """Iterations at this size."""
    size: tuple[int, int]
    """Height and width of the image that is being optimized."""
    value: float
    """The loss before this iteration."""
    done: float
    """The share of the work that is done, 0 to 1."""


def optimize_image(
    loss: LossLike,
    photo: Tensor,
    *,
    iterations: int = 100,
    levels: int = 3,
    start: Tensor | None = None,
    progress: Callable[[OptimizationStep], None] = lambda step: None,
) -> Tensor:
    """The image that minimizes `loss(image, photo)`, found by L-BFGS, coarse to fine; (1, 3, H, W) in [0, 1].

    The photograph is first optimized at a fraction of its size, then every result is enlarged and optimized with
    the photograph at twice the size. The result is the same in every run on one machine. An exception in
    `progress` ends the work.

    Parameters
    ----------
    loss
        A loss of two images, such as `StyleTransferLoss`.
    photo
        (1, 3, H, W) in [0, 1].
    iterations
        Iterations of L-BFGS at each size.
    levels
        How many sizes, each twice the one before; coarser ones than 128 pixels are left out.
    start
        The image to begin with, as large as the photograph [default: the photograph].
    progress
        Called before each iteration.

    Raises
    ------
    LossmithError
        For shapes and numbers that are not as above.

    References
    ----------
    Gatys et al., CVPR 2016; coarse to fine by Gatys et al., CVPR 2017.
    """
    if photo.ndim != 4 or photo.shape[:2] != (1, 3):
        raise LossmithError(f"one photograph is optimized at a time, (1, 3, H, W), not {tuple(photo.shape)}")
    if start is not None and start.shape != photo.shape:
        raise LossmithError(f"the image to begin with must be {tuple(photo.shape)}, not {tuple(start.shape)}")
    if iterations < 1 or levels < 1:
        raise LossmithError("`iterations` and `levels` must be at least 1")
    sizes = coarse_to_fine(photo.shape[2], photo.shape[3], levels)
    image, judge = photo if start is None else start, as_loss(loss)
    work, total = 0, sum(height * width for height, width in sizes) * iterations
    for height, width in sizes:
        target, image = resized(photo, (height, width)), resized(image, (height, width))
        before = work

        def report(
            iteration: int, value: float, size: tuple[int, int] = (height, width), done: int = before
        ) -> None:
            pixels = size[0] * size[1]
            progress(OptimizationStep(iteration, size, value, (done + iteration * pixels) / total))

        image = _lbfgs(judge.with_target(target), image, iterations, report)
        work += iterations * height * width
    return image


def coarse_to_fine(height: int, width: int, levels: int) -> list[tuple[int, int]]:
    """Sizes of an image, each half of the next, the last its own.

    >>> coarse_to_fine(512, 768, 3)
    [(128, 192), (256, 384), (512, 768)]
    >>> coarse_to_fine(200, 300, 3)
    [(200, 300)]
    """
    sizes = [(max(1, height >> level), max(1, width >> level)) for level in range(levels)]
    return [size for level, size in enumerate(sizes) if level == 0 or min(size) >= COARSEST][::-1]


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image in another size, within [0, 1]."""
    if image.shape[2:] == size:
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)


def _lbfgs(value: Value, start: Tensor, iterations: int, report: Callable[[int, float], None]) -> Tensor:
    """The minimum of a function of an image near `start`, clamped to [0, 1]."""
    image = start.detach().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [image],
        max_iter=1,
        max_eval=LINE_SEARCH,
        history_size=20,
        tolerance_grad=0,
        line_search_fn="strong_wolfe",
    )
    closure = _LastEvaluation(value, image)
    unchanged = 0
    for iteration in range(iterations):
        before = image.detach().clone()
        report(iteration, float(closure()))
        optimizer.step(closure)  # type: ignore[no-untyped-call]
        if not image.isfinite().all():
            return before.clamp(0, 1)
        unchanged = unchanged + 1 if torch.equal(before, image) else 0
        if unchanged == STALLED_AFTER:
            break
    report(iterations, float(closure()))
    return image.detach().clamp(0, 1)


class _LastEvaluation:
    """A function's value, with its gradient in `image.grad`; the last one is kept.

    L-BFGS begins every step where its line search has ended, which has mostly been evaluated already.
    """

    def __init__(self, value: Value, image: Tensor) -> None:
        self._value, self._image = value, image
        self._point: Tensor | None = None

    def __call__(self) -> Tensor:
        if self._point is None or not torch.equal(self._point, self._image):
            with torch.enable_grad():
                last = self._value(self._image)
            (gradient,) = torch.autograd.grad(last, self._image)
            self._last, self._gradient, self._point = last.detach(), gradient, self._image.detach().clone()
        self._image.grad = self._gradient.clone()
        return self._last


__all__ = ["OptimizationStep", "coarse_to_fine", "optimize_image", "resized"]
