"""What metrics see in an image, computed once for all metrics, and in a target once for all that is compared."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from lossmith.degradations import is_gray
from lossmith.evaluation.protocol import Protocol, in_color, rounded
from lossmith.metrics import deep, feature_similarity, gradient_magnitude, information_weighted

T = TypeVar("T")

MAX_PIXELS = 3 * 2**20
"""Pixels of the targets that `Targets` keeps; each takes about 300 bytes with what metrics see in it."""


class Steps(NamedTuple):
    """A metric in two steps, the first of which can be shared."""

    describe: Callable[[Tensor], Any]
    """What the metric sees in (1, C, H, W), RGB."""
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
        rgb = rounded(image, gray, protocol.border)
        self.in_rgb = rgb[None]
        """(1, 3, H, W), or (1, 1, H, W) if the target is gray."""
        self.in_color = in_color(rgb, protocol)[None]
        """The same in the protocol's color."""
        self._descriptions: dict[Callable[[Tensor], Any], Any] = {}
        self._lock = Lock()

    def described(self, describe: Callable[[Tensor], T]) -> T:
        """What a metric sees, computed when it is first asked for; threads wait for each other."""
        with self._lock:
            if describe not in self._descriptions:
                self._descriptions[describe] = describe(self.in_rgb)
            description: T = self._descriptions[describe]
            return description


class Targets:
    """The views of the targets that were used last, for images that are compared with the same ones again.

    It may be used by several threads. A copy in another process is empty.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self.max_pixels = max_pixels
        self._lock = Lock()
        self._views: OrderedDict[int, tuple[Protocol, Tensor, View]] = OrderedDict()

    def __reduce__(self) -> tuple[type["Targets"], tuple[int]]:
        return Targets, (self.max_pixels,)

    def view(self, target: Tensor, protocol: Protocol) -> View:
        """The view of a target, (3, H, W): that of an equal one, where there is one."""
        with self._lock:
            for key, (under, known, view) in self._views.items():
                if under == protocol and known.shape == target.shape and torch.equal(known, target):
                    self._views.move_to_end(key)
                    return view
            view = View(target, is_gray(target), protocol)
            self._views[id(view)] = protocol, target, view
            while len(self._views) > 1 and self._pixels() > self.max_pixels:
                self._views.popitem(last=False)
            return view

    def _pixels(self) -> int:
        return sum(target[0].numel() for _, target, _ in self._views.values())


__all__ = ["STEPS", "Steps", "Targets", "View"]
