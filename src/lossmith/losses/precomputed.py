"""Losses that compare summaries of two images, so that those of a target that stays as it is are made once."""

from collections.abc import Iterable

from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.losses.base import Loss, TargetedLoss
from lossmith.losses.function_transforms import full_precision


def check_gray(name: str, gray: str) -> str:
    if gray not in ("refuse", "repeat"):
        raise LossmithError(f"{name}: gray must be 'refuse' or 'repeat', not '{gray}'")
    return gray


class PrecomputableLoss(Loss):
    """A loss for which a few tensors say all that it wants to know of a target."""

    gray: str
    """What is done with images of one channel, if it takes more: "refuse", or "repeat" it."""
    any_size = False
    """Whether the target may be another image, of another size, as one whose style is wanted."""

    def target_features(self, target: Tensor) -> Iterable[Tensor]:
        """What is compared of a target, without a graph; each may be computed only when it is asked for."""
        raise NotImplementedError

    def compare_to(self, features: Iterable[Tensor], prediction: Tensor) -> Tensor:
        """The distance of a prediction to a target with these summaries, one value per image."""
        raise NotImplementedError

    def in_channels(self, image: Tensor, channels: int, taken_by: object) -> Tensor:
        """An image of so many channels."""
        found = image.shape[1]
        if found == channels:
            return image
        if found == 1 and self.gray == "repeat":
            return image.expand(-1, channels, -1, -1)
        hint = "; gray images are repeated with gray=repeat" if found == 1 else ""
        raise LossmithError(f"{taken_by} takes images of {channels} channels, not {found}{hint}")

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.compare_to(self.target_features(target), prediction)

    def with_target(self, target: Tensor) -> nn.Module:
        return PrecomputedLoss(self, target)


class PrecomputedLoss(TargetedLoss):
    """A loss against one target, whose summaries are buffers, too."""

    loss: PrecomputableLoss

    def __init__(self, loss: PrecomputableLoss, target: Tensor) -> None:
        super().__init__(loss, target)
        with full_precision(target.device):
            summaries = list(loss.target_features(self.target))
        self.kept = [f"summary{n}" for n, _ in enumerate(summaries)]
        for name, summary in zip(self.kept, summaries, strict=True):
            self.register_buffer(name, summary, persistent=False)

    def forward(self, prediction: Tensor) -> Tensor:
        target = prediction.detach() if self.loss.any_size else self.target
        return self.loss.evaluate(self._against_kept, prediction, target)

    def _against_kept(self, prediction: Tensor, _: Tensor) -> Tensor:
        return self.loss.compare_to([getattr(self, name) for name in self.kept], prediction)


__all__ = ["PrecomputableLoss", "check_gray"]
