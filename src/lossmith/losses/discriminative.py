"""MDF: the distance between two pictures as critics see it, which were trained on one picture and its damage."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lossmith.errors import LossmithError
from lossmith.losses.discriminative_frozen import TAPS, FrozenCritic
from lossmith.losses.discriminative_network import shrink
from lossmith.losses.fixed import SummaryLoss, check_gray
from lossmith.losses.loss_file import RANGES, find_loss, load_critics, load_loss
from lossmith.losses.transforms import channels_last


class MDF(SummaryLoss):
    """The multi-scale discriminative feature loss of a loss file (Mustafa et al., WACV 2022).

    The sum, over the critics and three taps of each (head, body, scores), of the mean squared difference between
    the features of the prediction and of the target.

    `file` is a loss file, or the name of a loss that comes with lossmith. `scales` says how many of its critics to
    use, from the coarsest, and `range` what they take the pictures' [0, 1] as: "0..1" or "-1..1"; by default the
    file says both. `precision="bfloat16"` needs half the memory, and less time where the processor multiplies in
    it; values are then off by about 1 % and gradients by 3 %. On a GPU, "full" has the precision that torch gives
    its convolutions.

    The critics are buffers, which move with the module and are not saved with it. They are computed one after the
    other, each with its gradient, so that the memory is that of one critic. There is no second derivative, but by
    `torch.func`.

    Raises LossmithError when the file is not what it should be, and for pictures that have not three channels; the
    one of gray pictures is repeated with `gray="repeat"`.
    """

    name = "mdf"
    formula = "sum over critics, learned from one picture, of mean squared differences of their features"
    source = "Mustafa et al. 2022"
    least_side = 11

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
        used = self.card.get("used", len(entries)) if scales is None else scales
        if not 1 <= used <= len(entries):
            raise LossmithError(f"mdf: scales must be 1 to {len(entries)}, as many as {path} has, not {used}")
        signed = (RANGES[range] if range else self.card["range"]) == RANGES["-1..1"]
        critics = zip(load_critics(state, self.card)[:used], entries[:used], strict=True)
        frozen = [FrozenCritic(critic, entry["factor"], signed) for critic, entry in critics]
        self.critics: Sequence[FrozenCritic] = nn.ModuleList(frozen)  # type: ignore[assignment]
        self.least_side = max(critic.least_side for critic in self.critics)

    @classmethod
    def load(cls, file: str | Path, **options: Any) -> "MDF":
        """The loss of a file: `MDF.load("my-loss.safetensors")`."""
        return cls(str(file), **options)

    def summaries(self, target: Tensor) -> Iterator[Tensor]:
        """Its features, critic by critic and tap by tap."""
        return (feature for critic in self.critics for feature in critic.features(self.view(target, critic)))

    def against(self, summaries: Iterable[Tensor], prediction: Tensor) -> Tensor:
        left = iter(summaries)  # of which no more are computed ahead than one critic's
        distances = [
            critic.distance(self.view(prediction, critic), [next(left) for _ in TAPS]) for critic in self.critics
        ]
        return torch.stack(distances).sum(0)

    def view(self, picture: Tensor, critic: FrozenCritic) -> Tensor:
        """A picture as a critic is to see it."""
        seen = shrink(self.in_channels(picture, 3, self), critic.factor)
        dtype = torch.bfloat16 if self.precision == "bfloat16" else picture.dtype
        return channels_last(seen, dtype)

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """What each critic adds to the loss, the coarsest first."""

        def part(critic: FrozenCritic, prediction: Tensor, target: Tensor) -> Tensor:
            return critic.distance(self.view(prediction, critic), critic.features(self.view(target, critic)))

        return {
            f"{self.label} scale {k}": self.evaluate(partial(part, critic), prediction, target)
            for k, critic in enumerate(self.critics)
        }


__all__ = ["MDF"]
