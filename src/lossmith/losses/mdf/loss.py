"""MDF: the distance between the features of discriminators that were trained on one image and its degradation."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.losses.function_transforms import channels_last
from lossmith.losses.mdf.discriminator import downscale
from lossmith.losses.mdf.frozen import TAPS, FrozenDiscriminator
from lossmith.losses.mdf.loss_file import RANGES, find_loss, load_discriminators, load_loss
from lossmith.losses.precomputed import Bands, PrecomputableLoss


class MDFLoss(PrecomputableLoss):
    """The multi-scale discriminative feature (MDF) loss of a loss file.

    The sum, over the discriminators and three outputs of each (head, body, scores), of the mean squared difference
    between the features of prediction and target, (N, C, H, W) on the scale of their range. C is that of
    the image from which the loss was learned.

    The weights of the discriminators are buffers, which move with the module and are not saved with it. The
    discriminators are computed one after the other, each with its gradient, so that the memory is that of one.
    There is no second derivative, except by `torch.func`.

    Parameters
    ----------
    file
        A loss file, or the name of a loss that comes with lossmith: sr, denoise, jpeg or demosaic.
    scales
        How many of the discriminators to use, from the coarsest; by default as many as the file says.
    range
        The range of the discriminators' inputs, to which [0, 1] is mapped: "0..1" or "-1..1"; by default that of
        the file.
    precision
        "full" is float32, or on a GPU the precision that torch gives its convolutions. "bfloat16" needs half the
        memory, and less time on processors that support it; values are off by about 1 % and gradients by 3 %.
    gray
        "refuse" images of one channel, or "repeat" the channel.
    bands
        Which channels of the image the network gets, counted from 0, such as "4,2,0"; by default all.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        If the file is missing or does not hold what its card says, and for options out of range; when called, for
        images of other channels.

    References
    ----------
    Mustafa et al., Training a task-specific image reconstruction loss, WACV 2022.
    """

    name = "mdf"
    formula = "sum over discriminators, learned from one image, of mean squared differences of their features"
    source = "Mustafa et al. 2022"
    kind = "perceptual"
    min_side = 11

    def __init__(
        self,
        file: str,
        scales: int | None = None,
        range: str | None = None,
        precision: str = "full",
        gray: str = "refuse",
        bands: Bands = None,
        reduction: str = "mean",
    ) -> None:
        state, card = load_loss(path := find_loss(file))
        self.pixels = PixelFormat.from_receipt(card)
        super().__init__(self.pixels.channels, gray, bands, reduction)
        self.card = card
        self.file, self.scales, self.range, self.precision = file, scales, range, precision
        if range is not None and range not in RANGES:
            raise LossmithError(f"mdf: range must be {' or '.join(RANGES)}, not '{range}'")
        if precision not in ("full", "bfloat16"):
            raise LossmithError(f"mdf: precision must be 'full' or 'bfloat16', not '{precision}'")
        entries = self.card["scales"]
        count = self.card.get("default_scales", len(entries)) if scales is None else scales
        if not 1 <= count <= len(entries):
            raise LossmithError(f"mdf: scales must be 1 to {len(entries)}, as many as {path} has, not {count}")
        signed = (RANGES[range] if range else self.card["range"]) == RANGES["-1..1"]
        discriminators = zip(load_discriminators(state, self.card)[:count], entries[:count], strict=True)
        frozen = [
            FrozenDiscriminator(discriminator, entry["factor"], signed) for discriminator, entry in discriminators
        ]
        self.discriminators: Sequence[FrozenDiscriminator] = nn.ModuleList(frozen)  # type: ignore[assignment]
        self.min_side = max(discriminator.min_side for discriminator in self.discriminators)

    @classmethod
    def load(cls, file: str | Path, **options: Any) -> "MDFLoss":
        """The loss of a file, with the options of the class: `MDFLoss.load("my-loss.safetensors")`."""
        return cls(str(file), **options)

    def target_features(self, target: Tensor) -> Iterator[Tensor]:
        """The features of a target, discriminator by discriminator and tap by tap."""
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
        """Images as the input of a discriminator: downscaled, in its precision and memory format."""
        downscaled = downscale(self.select_channels(image), discriminator.factor)
        dtype = torch.bfloat16 if self.precision == "bfloat16" else image.dtype
        return channels_last(downscaled, dtype)

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The term of each discriminator, the coarsest first, from one forward pass."""

        def term(discriminator: FrozenDiscriminator, prediction: Tensor, target: Tensor) -> Tensor:
            return discriminator.distance(
                self.prepare_input(prediction, discriminator),
                discriminator.features(self.prepare_input(target, discriminator)),
            )

        return {
            f"{self.label} scale {k}": self.evaluate(partial(term, discriminator), prediction, target)
            for k, discriminator in enumerate(self.discriminators)
        }


__all__ = ["MDFLoss"]
