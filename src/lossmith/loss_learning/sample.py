"""One image and the damage that its loss is to be learned from."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.nn.functional import pad

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.data import read_image
from lossmith.data.headers import read_headers
from lossmith.degradations import Bicubic, Degradation, degradation, from_8bit, is_gray, resize
from lossmith.loss_learning.recipe import RECEPTIVE_FIELD
from lossmith.losses.mdf.discriminator import downscale_to


@dataclass(frozen=True)
class DegradedSample:
    """What a loss is learned from: a clean image, (3, H, W) in [0, 1], and a way to damage it.

    The damage is an expression that can be done to any image, or the difference to a damaged image of the
    same size.
    """

    clean: Tensor
    degradation: Degradation | None
    degraded: Tensor | None = None
    fingerprint: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the files by what they are."""

    @property
    def name(self) -> str:
        return str(self.degradation) if self.degradation else "the difference between two images"

    @property
    def random(self) -> bool:
        """Whether the damage can be drawn more than once."""
        return self.degradation is not None and self.degradation.random

    def residual(self, clean: Tensor, rng: np.random.Generator) -> Tensor:
        """The error that the damage makes on `clean`: this lesson's image, or a smaller copy of it.

        Where the damage makes images smaller, it is what the damage has done beside shrinking them, enlarged:
        nothing for plain super-resolution. What that has to undo is in the pyramid already, whose every scale
        begins with the enlarged result of the one before.
        """
        height, width = clean.shape[1:]
        if self.degraded is not None:  # the error itself is shrunk, so that nothing else is in it
            return downscale_to((self.degraded - self.clean)[None], (height, width))[0]
        assert self.degradation is not None
        if (scale := self.degradation.scale) == 1:
            return self.degradation(clean, rng) - clean
        whole = clean[:, : height - height % scale, : width - width % scale]
        error = self.degradation(whole, rng) - Bicubic(scale)(whole)
        enlarged = resize(error, (whole.shape[1], whole.shape[2]))
        # the rows and columns that are no whole pixel of the smaller image are damaged like their neighbors
        return pad(enlarged[None], (0, width % scale, 0, height % scale), "replicate")[0]


def load_sample(image: Path, damage: str | None, degraded: Path | None) -> DegradedSample:
    """The lesson in an image and the expression of its damage, or in a pair of images.

    Raises LossmithError when the images cannot be read, are too small or do not belong together, and when the
    damage is not given exactly once.
    """
    if (damage is None) == (degraded is None):
        raise LossmithError("say what the loss is to be learned from: either --degradation or --degraded")
    read_headers([image] if degraded is None else [image, degraded])
    clean = from_8bit(read_image(image))
    if min(clean.shape[1:]) < 2 * RECEPTIVE_FIELD:
        size = f"{clean.shape[1]}x{clean.shape[2]}"
        raise LossmithError(f"image '{image}' has {size} pixels, too few to learn a loss from")
    fingerprint = {"image_sha256": sha256_of(image)}
    if degraded is None:
        assert damage is not None
        kind = degradation(damage)
        return DegradedSample(clean, kind.for_gray() if is_gray(clean) else kind, None, fingerprint)
    other = from_8bit(read_image(degraded))
    if other.shape != clean.shape:
        sizes = " and ".join(f"{side.shape[1]}x{side.shape[2]}" for side in (clean, other))
        raise LossmithError(f"'{image}' and '{degraded}' must be of one size, not {sizes} pixels")
    if bool((other == clean).all()):
        raise LossmithError(f"'{image}' and '{degraded}' are the same image, so there is no damage to learn")
    return DegradedSample(clean, None, other, {**fingerprint, "degraded_sha256": sha256_of(degraded)})
