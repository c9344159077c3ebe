"""Losses on features of two images, which are computed once for a target that is fixed."""

from collections.abc import Iterable

from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.losses.base import Loss, TargetedLoss
from lossmith.losses.function_transforms import full_precision


def check_gray(name: str, gray: str) -> str:
    """The value of the option `gray`; raises LossmithError for any but "refuse" and "repeat"."""
    if gray not in ("refuse", "repeat"):
        raise LossmithError(f"{name}: gray must be 'refuse' or 'repeat', not '{gray}'")
    return gray


class PrecomputableLoss(Loss):
    """A loss that compares a prediction with features of the target, tensors that can be computed beforehand."""

    gray: str
    """What to do with images of one channel, if the loss takes more: "refuse" them, or "repeat" the channel."""
    any_size = False
    """Whether a fixed target may have another size than the prediction, as the target of a style may."""

    def target_features(self, target: Tensor) -> Iterable[Tensor]:
        """The features of a target, without a graph; an iterator may compute each when it is needed."""
        raise NotImplementedError

    def compare_to(self, features: Iterable[Tensor], prediction: Tensor) -> Tensor:
        """The distance of a prediction to a target with these features, (N,)."""
        raise NotImplementedError

    def in_channels(self, image: Tensor, channels: int, network: object) -> Tensor:
        """The image with this number of channels: a gray one is repeated or refused, as `gray` says."""
        own_channels = image.shape[1]
        if own_channels == channels:
            return image
        if own_channels == 1 and self.gray == "repeat":
            return image.expand(-1, channels, -1, -1)
        hint = "; gray images are repeated with gray=repeat" if own_channels == 1 else ""
        raise LossmithError(f"{network} takes images of {channels} channels, not {own_channels}{hint}")

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.compare_to(self.target_features(target), prediction)

    def with_target(self, target: Tensor) -> nn.Module:
        return PrecomputedLoss(self, target)


class PrecomputedLoss(TargetedLoss):
    """A loss against a fixed target, whose features are buffers as well."""

    loss: PrecomputableLoss

    def __init__(self, loss: PrecomputableLoss, target: Tensor) -> None:
        super().__init__(loss, target)
        with full_precision(target.device):
            features = list(loss.target_features(self.target))
        self.buffer_names = [f"feature{n}" for n, _ in enumerate(features)]
        for name, feature in zip(self.buffer_names, features, strict=True):
            self.register_buffer(name, feature, persistent=False)

    def forward(self, prediction: Tensor) -> Tensor:
        target = prediction.detach() if self.loss.any_size else self.target
        return self.loss.evaluate(self._compare_to_buffers, prediction, target)

    def _compare_to_buffers(self, prediction: Tensor, _: Tensor) -> Tensor:
        return self.loss.compare_to([getattr(self, name) for name in self.buffer_names], prediction)


__all__ = ["PrecomputableLoss", "check_gray"]
