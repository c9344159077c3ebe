"""How strong texture is, octave by octave and place by place, rather than where each of its edges lies."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.base import Loss

FLOOR = 1e-3
"""Amplitudes far below this, a quarter of an 8-bit level, count as none: below it rounding decides."""
SLIGHT = 0.1
"""Of logarithms: around equal amplitudes the loss is smooth, or rounding would decide which way it pulls."""


class TextureLoss(Loss):
    """Local amplitudes of the octaves of a Laplacian pyramid, compared by their logarithms. Nothing is learned.

    An octave is what is lost by halving an image and enlarging it again. Its amplitude at a place is the root mean
    square over `window` x `window` pixels `period` apart. With d the logarithm of the prediction's amplitude over
    the target's, the loss is the mean of sqrt(d^2 + 0.1^2) - 0.1: 0.6 for texture that is twice or half as strong
    as it should be. So it asks for the right strength of texture, wherever its edges lie; a difference of pixels
    asks for the mean of what may be there, which is blurred. It does not see brightness or color: use it beside a
    loss that does, as in "80%*l1 + 20%*texture".

    Parameters
    ----------
    levels
        How many octaves, from the finest.
    window
        How many pixels an amplitude is taken of, along each side.
    period
        How far these are apart. A network that enlarges by `period` may draw a grid to raise the amplitude of
        neighbors; with pixels one period apart the grid costs. 1 for neighbors.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        For options that are not whole numbers from 1 up.
    """

    name = "texture"
    formula = "mean |log(rms of prediction / rms of target)|, near 0 its square, in windows of a Laplacian pyramid"
    bounds = "0 and up; 0 also where textures are equally strong"
    kind = "statistics"
    source = "this package"

    def __init__(self, levels: int = 3, window: int = 3, period: int = 4, reduction: str = "mean") -> None:
        super().__init__(reduction)
        for option, value in (("levels", levels), ("window", window), ("period", period)):
            if value < 1:
                raise LossmithError(f"texture: {option} must be a whole number from 1 up, not {value}")
        self.levels, self.window, self.period = levels, window, period
        self.min_side = max(2**levels, 2 ** (levels - 1) * ((window - 1) * period + 1))

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        pairs = zip(octaves(prediction, self.levels), octaves(target, self.levels), strict=True)
        ratios = [0.5 * (self.log_energy(x) - self.log_energy(y)) for x, y in pairs]
        errors = [(ratio.square() + SLIGHT**2).sqrt() - SLIGHT for ratio in ratios]
        return torch.stack([error.flatten(1).mean(1) for error in errors]).mean(0)

    def log_energy(self, octave: Tensor) -> Tensor:
        """The logarithm of the mean square of every window, (N, C, h, w)."""
        energy = octave.square()
        for axis in (-2, -1):
            reach = (self.window - 1) * self.period
            shifts = range(0, reach + 1, self.period)
            energy = torch.stack([energy.narrow(axis, s, energy.shape[axis] - reach) for s in shifts]).mean(0)
        return (energy + FLOOR**2).log()


def octaves(image: Tensor, levels: int) -> list[Tensor]:
    """The bands of a Laplacian pyramid, finest first, each half as large as the one before."""
    image = image - image.mean((-2, -1), keepdim=True).detach()  # no band has it, and bright ones round it
    bands = []
    for _ in range(levels):
        small = F.avg_pool2d(image, 2)
        bands.append(image - F.interpolate(small, size=image.shape[-2:], mode="bilinear", align_corners=False))
        image = small
    return bands


__all__ = ["TextureLoss", "octaves"]
