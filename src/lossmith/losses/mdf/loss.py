"""MDF: the distance between two images as discriminators see it, which were trained on one image and its
damage.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.losses.function_transforms import channels_last
from lossmith.losses.mdf.discriminator import downscale
from lossmith.losses.mdf.frozen import TAPS, FrozenDiscriminator
from lossmith.losses.mdf.loss_file import RANGES, find_loss, load_discriminators, load_loss
from lossmith.losses.precomputed import PrecomputableLoss, check_gray


class MDFLoss(PrecomputableLoss):
    """The multi-scale discriminative feature loss of a loss file (Mustafa et al., WACV 2022).

    The sum, over the discriminators and three taps of each (head, body, scores), of the mean squared difference
    between the features of the prediction and of the target.

    `file` is a loss file, or the name of a loss that comes with lossmith. `scales` says how many of its
    discriminators to use, from the coarsest, and `range` what they take the images' [0, 1] as: "0..1" or
    "-1..1"; by default the file says both. `precision="bfloat16"` needs half the memory, and less time where the
    processor multiplies in it; values are then off by about 1 % and gradients by 3 %. On a GPU, "full" has the
    precision that torch gives its convolutions.

    The discriminators are buffers, which move with the module and are not saved with it. They are computed one
    after the other, each with its gradient, so that the memory is that of one discriminator. There is no second
    derivative, but by `torch.func`.

    Raises LossmithError when the file is not what it should be, and for images that have not three channels; the
    one of gray images is repeated with `gray="repeat"`.
    """

    name = "mdf"
    formula = "sum over discriminators, learned from one image, of mean squared differences of their features"
    source = "Mustafa et al. 2022"
    min_side = 11

    def __init__(
        self,
        file: str,
        scales: int | None = None,
        range: str | None = None,
        precision: str = "full",
        gray: str = "refuse",
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.gray = check_gray(self.name, gray)
        path = find_loss(file)
        state, self.card = load_loss(path)
        self.file, self.scales, self.range, self.precision = file, scales, range, precision
        if range is not None and range not in RANGES:
            raise LossmithError(f"mdf: range must be {' or '.join(RANGES)}, not '{range}'")
        if precision not in ("full", "bfloat16"):
            raise LossmithError(f"mdf: precision must be 'full' or 'bfloat16', not '{precision}'")
        entries = self.card["scales"]
        used = self.card.get("default_scales", len(entries)) if scales is None else scales
        if not 1 <= used <= len(entries):
            raise LossmithError(f"mdf: scales must be 1 to {len(entries)}, as many as {path} has, not {used}")
        signed = (RANGES[range] if range else self.card["range"]) == RANGES["-1..1"]
        discriminators = zip(load_discriminators(state, self.card)[:used], entries[:used], strict=True)
        frozen = [
            FrozenDiscriminator(discriminator, entry["factor"], signed) for discriminator, entry in discriminators
        ]
        self.discriminators: Sequence[FrozenDiscriminator] = nn.ModuleList(frozen)  # type: ignore[assignment]
        self.min_side = max(discriminator.min_side for discriminator in self.discriminators)

    @classmethod
    def load(cls, file: str | Path, **options: Any) -> "MDFLoss":
        """The loss of a file: `MDFLoss.load("my-loss.safetensors")`."""
        return cls(str(file), **options)

    def target_features(self, target: Tensor) -> Iterator[Tensor]:
        """Its features, discriminator by discriminator and tap by tap."""
        return (
            feature
            for discriminator in self.discriminators
            for feature in discriminator.features(self.prepare_input(target, discriminator))
        )

    def compare_to(self, features: Iterable[Tensor], prediction: Tensor) -> Tensor:
        left = iter(features)  # of which no more are computed ahead than one discriminator's
        distances = [
            discriminator.distance(self.prepare_input(prediction, discriminator), [next(left) for _ in TAPS])
            for discriminator in self.discriminators
        ]
        return torch.stack(distances).sum(0)

    def prepare_input(self, image: Tensor, discriminator: FrozenDiscriminator) -> Tensor:
        """An image as a discriminator is to see it."""
        seen = downscale(self.in_channels(image, 3, self), discriminator.factor)
        dtype = torch.bfloat16 if self.precision == "bfloat16" else image.dtype
        return channels_last(seen, dtype)

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """What each discriminator adds to the loss, the coarsest first."""

        def part(discriminator: FrozenDiscriminator, prediction: Tensor, target: Tensor) -> Tensor:
            return discriminator.distance(
                self.prepare_input(prediction, discriminator),
                discriminator.features(self.prepare_input(target, discriminator)),
            )

        return {
            f"{self.label} scale {k}": self.evaluate(partial(part, discriminator), prediction, target)
            for k, discriminator in enumerate(self.discriminators)
        }


__all__ = ["MDFLoss"]
