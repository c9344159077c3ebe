"""What metrics see in an image, computed once for all metrics, and in a target once for all that is compared."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from lossmith.evaluation.invalid_pixels import filled
from lossmith.evaluation.protocol import Protocol, cropped, in_color, in_range, scores_one_channel
from lossmith.metrics import deep, feature_similarity, gradient_magnitude, information_weighted

T = TypeVar("T")

MAX_PIXELS = 3 * 2**20
"""Pixels of the targets that `Targets` keeps; each takes about 300 bytes with what metrics see in it."""


class Steps(NamedTuple):
    """A metric in two steps, the first of which can be shared."""

    describe: Callable[[Tensor], Any]
    """What the metric sees in (1, C, H, W), gray or RGB."""
    compare: Callable[[Any, Any], Tensor]
    """The score, (1,), of prediction and target by what it sees in them."""


STEPS = {
    "gmsd": Steps(gradient_magnitude.describe, gradient_magnitude.compare),
    "fsim": Steps(feature_similarity.describe, partial(feature_similarity.compare, color=False)),
    "fsimc": Steps(feature_similarity.describe, partial(feature_similarity.compare, color=True)),
    "iw_ssim": Steps(information_weighted.describe, information_weighted.compare),
    **{name: Steps(partial(deep.describe, name), partial(deep.compare, name)) for name in deep.DEEP_METRICS},
}
"""The metrics that look at each image alone first."""


class View:
    """An image under a protocol, and what metrics see in it."""

    def __init__(self, image: Tensor, gray: bool, protocol: Protocol) -> None:
        channels = in_range(image, gray, protocol)
        self.channels = channels[None]
        """(1, C, H, W), or (1, 1, H, W) if the target is a gray RGB image."""
        self.in_color = in_color(channels, protocol)[None]
        """The same in the protocol's color."""
        self._descriptions: dict[Callable[[Tensor], Any], Any] = {}
        self._lock = Lock()

    def described(self, describe: Callable[[Tensor], T]) -> T:
        """What a metric sees, computed when it is first asked for; threads wait for each other."""
        with self._lock:
            if describe not in self._descriptions:
                self._descriptions[describe] = describe(self.channels)
            description: T = self._descriptions[describe]
            return description


class TargetView(View):
    """The view of a target, whose pixels that are NaN do not count."""

    def __init__(self, target: Tensor, protocol: Protocol) -> None:
        self._complete, self._invalid = filled(target)
        self._is_gray, self._protocol = scores_one_channel(self._complete, protocol.pixels), protocol
        super().__init__(self._complete, self._is_gray, protocol)
        self.valid = None if self._invalid is None else ~cropped(self._invalid, protocol.border)[None, None]
        """(1, 1, H, W) bool: the pixels that count; None for all."""

    def of_prediction(self, prediction: Tensor) -> View:
        """The view of what is compared with this target: equal to it where that is invalid."""
        if self._invalid is not None:
            prediction = torch.where(self._invalid, self._complete, prediction.detach().cpu())
        return View(prediction, self._is_gray, self._protocol)


class Targets:
    """The views of the targets that were used last, for images that are compared with the same ones again.

    It may be used by several threads. A copy in another process is empty.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self.max_pixels = max_pixels
        self._lock = Lock()
        self._views: OrderedDict[int, tuple[Protocol, Tensor, TargetView]] = OrderedDict()

    def __reduce__(self) -> tuple[type["Targets"], tuple[int]]:
        return Targets, (self.max_pixels,)

    def view(self, target: Tensor, protocol: Protocol) -> TargetView:
        """The view of a target, (C, H, W): that of an equal one, where there is one."""
        with self._lock:
            for key, (under, known, view) in self._views.items():
                if under == protocol and _are_same(known, target, has_nan=view.valid is not None):
                    self._views.move_to_end(key)
                    return view
            view = TargetView(target, protocol)
            self._views[id(view)] = protocol, target, view
            while len(self._views) > 1 and self._pixels() > self.max_pixels:
                self._views.popitem(last=False)
            return view

    def _pixels(self) -> int:
        return sum(target[0].numel() for _, target, _ in self._views.values())


def _are_same(known: Tensor, target: Tensor, has_nan: bool) -> bool:
    """Whether a target is equal to a known one, and NaN where that is."""
    if known is target or known.shape != target.shape:
        return known is target
    return torch.allclose(known, target, rtol=0, atol=0, equal_nan=True) if has_nan else torch.equal(known, target)


__all__ = ["STEPS", "Steps", "TargetView", "Targets", "View"]
