"""Validation during a run: PSNR and sample images of crops of the test images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lossmith.core.devices import best_device
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import ImagePair, write_image
from lossmith.evaluation.inference import FullImageInference
from lossmith.training.module import TrainingModule
from lossmith.training.state import TrainState


@dataclass(frozen=True)
class Validation:
    """What a validation saw."""

    number: int
    """Which of the run's validations: 0 before the first step, `VALIDATIONS_PER_RUN` after the last."""
    step: int
    seconds: float
    """Of training until then."""
    degraded: Tensor
    """(N, C, h, w)."""
    restored: Tensor
    """(N, C, H, W), on any device."""
    clean: Tensor
    """(N, C, H, W); pixels that are NaN do not count."""


class Observer(Protocol):
    """Sees every validation of a run. What it raises ends the run, which a later call can continue."""

    @property
    def min_side(self) -> int:
        """The least side of the crops that it can use, in clean pixels."""
        ...

    def observe(self, validation: Validation) -> None: ...


class SampleWriter:
    """Writes an image at every validation: crops side by side, in rows degraded, restored and clean.

    NaN pixels are drawn black; divergence is reported by the loss monitor.

    Parameters
    ----------
    folder
        Where `step-0000100.png` and the like are written.
    max_images
        How many crops are shown.
    """

    min_side = 1

    def __init__(self, folder: Path, max_images: int = 6) -> None:
        self.folder, self.max_images = folder, max_images

    def observe(self, validation: Validation) -> None:
        """Write the first crops, the degraded ones enlarged to the size of the others.

        Of other images than gray and RGB the first channel is shown.
        """
        clean = validation.clean
        small = interpolate(validation.degraded.float(), size=clean.shape[-2:], mode="nearest")
        images = (small, validation.restored, clean)
        rows = [torch.cat(list(row[: self.max_images].float().cpu()), dim=2) for row in images]
        shown = torch.cat(rows, dim=1).nan_to_num()
        colors = shown if shown.shape[0] == 3 else shown[:1].expand(3, -1, -1)
        write_image(self.folder / f"step-{validation.step:07d}.png", colors)


VALIDATIONS_PER_RUN = 10
"""Validations in a run, at equal distances of its budget, beside the one before the first step."""


class Validator:
    """Measures the mean PSNR of crops of the test images, while the run's timer is paused.

    The result is only logged; no checkpoint and no setting is selected by it.

    Parameters
    ----------
    degraded, clean
        The crops, (N, C, h, w) and (N, C, H, W); pixels of `clean` that are NaN do not count.
    observer
        Sees every validation.
    pixels
        The format of the images: restored ones of 8 bits are clamped to the range, and no others.
    """

    def __init__(
        self,
        degraded: Tensor,
        clean: Tensor,
        observer: Observer | None = None,
        pixels: PixelFormat = RGB_8BIT,
    ) -> None:
        self.degraded, self.clean, self.observer, self.pixels = degraded, clean, observer, pixels
        self._last_validation = -1

    def maybe_validate(self, state: TrainState, module: TrainingModule) -> dict[str, float]:
        """Validate if it is time: `{"psnr": value in dB}`, else an empty dictionary."""
        due = int(VALIDATIONS_PER_RUN * state.progress)
        if due <= self._last_validation:
            return {}
        self._last_validation = due
        with state.timer.paused():
            restored = self._restored(module.trained_network)
            if self.observer:
                seconds = state.timer.elapsed
                self.observer.observe(Validation(due, state.step, seconds, self.degraded, restored, self.clean))
            return {"psnr": self._psnr(restored)}

    @torch.no_grad()
    def _restored(self, restorer: torch.nn.Module) -> Tensor:
        was_training = restorer.training
        degraded = self.degraded.to(best_device(), memory_format=torch.channels_last)
        scale = self.clean.shape[-1] // degraded.shape[-1]
        restored = FullImageInference(restorer.eval(), scale, degraded.shape[1])(degraded)
        restorer.train(was_training)
        return restored.clamp(0, 1) if self.pixels.is_8bit else restored

    def _psnr(self, restored: Tensor) -> float:
        errors = (restored - self.clean.to(restored.device)).square().flatten(1)
        valid = self.clean.isfinite().flatten(1).to(errors.device)
        # a diverged network shows as NaN, a pixel that does not count does not
        error = errors.mean(1) if valid.all() else errors.where(valid, 0).sum(1) / valid.sum(1)
        return float((-10 * error.clamp(min=1e-10).log10())[valid.any(1)].mean())

    def state_dict(self) -> dict[str, Any]:
        return {"last_validation": self._last_validation}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._last_validation = state["last_validation"]


def center_crops(test_pairs: Sequence[ImagePair], side: int, max_images: int) -> tuple[Tensor, Tensor]:
    """Center crops of the first test images, of one size: degraded, (N, C, h, w), and clean, (N, C, H, W).

    `side` is that of the clean crops, and less where an image is smaller.
    """
    scale = test_pairs[0].scale
    pairs = test_pairs[:max_images]
    side = min(side, *(min(pair.degraded.shape[1:]) * scale for pair in pairs)) // scale
    degraded, clean = [], []
    for pair in pairs:
        top, left = ((length - side) // 2 for length in pair.degraded.shape[1:])
        degraded.append(pair.degraded[:, top : top + side, left : left + side])
        top, left, clean_side = top * scale, left * scale, side * scale
        clean.append(pair.clean[:, top : top + clean_side, left : left + clean_side])
    return torch.stack(degraded), torch.stack(clean)
