"""Looks at test crops during a run, to draw the curve of PSNR."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lossmith.core.devices import best_device
from lossmith.data import ImagePair, write_image
from lossmith.evaluation.inference import Whole
from lossmith.training.module import TrainingModule
from lossmith.training.state import TrainState


class SampleWriter:
    """An image for every examination: crops side by side, in rows degraded, restored and clean.

    What is not a number is black: that a run has diverged is for others to say.
    """

    def __init__(self, folder: Path, max_images: int = 6) -> None:
        self.folder, self.max_images = folder, max_images

    def write(self, step: int, degraded: Tensor, restored: Tensor, clean: Tensor) -> None:
        """Write the first few crops; `degraded` may be smaller than the others, (N, 3, h, w)."""
        small = interpolate(degraded.float(), size=clean.shape[-2:], mode="nearest")
        rows = [torch.cat(list(row[: self.max_images].float().cpu()), dim=2) for row in (small, restored, clean)]
        write_image(self.folder / f"step-{step:07d}.png", torch.cat(rows, dim=1).nan_to_num())


VALIDATIONS_PER_RUN = 10
"""How often in a run the test crops are restored and measured."""


class Validator:
    """Measures PSNR on crops of the test images now and then; the clock stands still meanwhile.

    Nothing is chosen by what it finds: it only draws the curve.
    """

    def __init__(self, degraded: Tensor, clean: Tensor, sample_writer: SampleWriter | None = None) -> None:
        self.degraded, self.clean, self.sample_writer = degraded, clean, sample_writer
        self._done = -1

    def maybe_validate(self, state: TrainState, module: TrainingModule) -> dict[str, float]:
        """The PSNR by its name, where it is time; else nothing."""
        due = int(VALIDATIONS_PER_RUN * state.progress)
        if due <= self._done:
            return {}
        self._done = due
        with state.timer.paused():
            restored = self._restored(module.trained_network)
            if self.sample_writer:
                self.sample_writer.write(state.step, self.degraded, restored, self.clean)
            return {"psnr": self._psnr(restored)}

    @torch.no_grad()
    def _restored(self, restorer: torch.nn.Module) -> Tensor:
        was_training = restorer.training
        degraded = self.degraded.to(best_device(), memory_format=torch.channels_last)
        restored = Whole(restorer.eval(), self.clean.shape[-1] // self.degraded.shape[-1])(degraded)
        restorer.train(was_training)
        return restored.clamp(0, 1)

    def _psnr(self, restored: Tensor) -> float:
        error = (restored - self.clean.to(restored.device)).square().flatten(1).mean(1)
        return float((-10 * error.clamp(min=1e-10).log10()).mean())

    def state_dict(self) -> dict[str, Any]:
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._done = state["done"]


def center_crops(test_pairs: Sequence[ImagePair], side: int, most: int) -> tuple[Tensor, Tensor]:
    """(degraded, clean) batches of equal crops from the middle of the first `most` test images."""
    scale = test_pairs[0].scale
    shown = test_pairs[:most]
    side = min(side, *(min(pair.degraded.shape[1:]) * scale for pair in shown)) // scale
    degraded, clean = [], []
    for pair in shown:
        top, left = ((length - side) // 2 for length in pair.degraded.shape[1:])
        degraded.append(pair.degraded[:, top : top + side, left : left + side])
        top, left, big = top * scale, left * scale, side * scale
        clean.append(pair.clean[:, top : top + big, left : left + big])
    return torch.stack(degraded), torch.stack(clean)
