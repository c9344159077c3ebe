"""Looks at test crops during a run, to draw the curve of PSNR."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lossmith.images import Pair
from lossmith.training.module import Restoration

EXAMINATIONS = 10
"""How often in a run the test crops are restored and measured."""


class Examiner(Callback):
    """Measures PSNR on crops of the test pictures now and then; the clock stands still meanwhile.

    Nothing is chosen by what it finds: it only draws the curve.
    """

    def __init__(self, degraded: Tensor, clean: Tensor) -> None:
        self.degraded, self.clean = degraded, clean
        self.psnr: float | None = None
        """The latest measurement, until somebody takes it."""
        self._done = -1

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self._examine(module)

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        self._examine(module)

    def _examine(self, module: Restoration) -> None:
        due = int(EXAMINATIONS * module.progress)
        if due <= self._done:
            return
        self._done = due
        restorer = module.result
        learning = restorer.training
        with module.stopwatch.paused(), torch.no_grad():
            degraded = self.degraded.to(module.device, memory_format=torch.channels_last)
            restored = restorer.eval()(degraded)
            restorer.train(learning)
            error = (restored.clamp(0, 1) - self.clean.to(module.device)).square().flatten(1).mean(1)
            self.psnr = float((-10 * error.clamp(min=1e-10).log10()).mean())

    def state_dict(self) -> dict[str, Any]:
        return {"done": self._done, "psnr": self.psnr}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._done, self.psnr = state["done"], state["psnr"]


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
