"""Looks at test crops during a run, to draw the curve of PSNR."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lossmith.devices import best_device
from lossmith.evaluation.restoring import Whole
from lossmith.images import Pair
from lossmith.training.album import Album
from lossmith.training.course import Course
from lossmith.training.learner import Learner

EXAMINATIONS = 10
"""How often in a run the test crops are restored and measured."""


class Examiner:
    """Measures PSNR on crops of the test pictures now and then; the clock stands still meanwhile.

    Nothing is chosen by what it finds: it only draws the curve.
    """

    def __init__(self, degraded: Tensor, clean: Tensor, album: Album | None = None) -> None:
        self.degraded, self.clean, self.album = degraded, clean, album
        self._done = -1

    def look(self, course: Course, learner: Learner) -> dict[str, float]:
        """The PSNR by its name, where it is time; else nothing."""
        due = int(EXAMINATIONS * course.progress)
        if due <= self._done:
            return {}
        self._done = due
        with course.stopwatch.paused():
            restored = self._restored(learner.result)
            if self.album:
                self.album.keep(course.step, self.degraded, restored, self.clean)
            return {"psnr": self._psnr(restored)}

    @torch.no_grad()
    def _restored(self, restorer: torch.nn.Module) -> Tensor:
        learning = restorer.training
        degraded = self.degraded.to(best_device(), memory_format=torch.channels_last)
        restored = Whole(restorer.eval(), self.clean.shape[-1] // self.degraded.shape[-1])(degraded)
        restorer.train(learning)
        return restored.clamp(0, 1)

    def _psnr(self, restored: Tensor) -> float:
        error = (restored - self.clean.to(restored.device)).square().flatten(1).mean(1)
        return float((-10 * error.clamp(min=1e-10).log10()).mean())

    def state_dict(self) -> dict[str, Any]:
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._done = state["done"]


def centre_crops(tests: Sequence[Pair], side: int, most: int) -> tuple[Tensor, Tensor]:
    """(degraded, clean) batches of equal crops from the middle of the first `most` test pictures."""
    scale = tests[0].scale
    shown = tests[:most]
    side = min(side, *(min(pair.degraded.shape[1:]) * scale for pair in shown)) // scale
    degraded, clean = [], []
    for pair in shown:
        top, left = ((length - side) // 2 for length in pair.degraded.shape[1:])
        degraded.append(pair.degraded[:, top : top + side, left : left + side])
        top, left, big = top * scale, left * scale, side * scale
        clean.append(pair.clean[:, top : top + big, left : left + big])
    return torch.stack(degraded), torch.stack(clean)
