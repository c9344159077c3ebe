"""Less flicker: where the film stands still, the previous frame's result is kept for the most part."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lossmith.core.errors import LossmithError
from lossmith.restoration.engine import CPU
from lossmith.video.film import Pixels

SAME, DIFFERENT = 0.012, 0.04
"""Mean changes of values around a pixel, white being 1: up to which it stands still, from which it moves."""
REACH = 5
"""Side of the square over which changes are averaged, so that noise is none, and then spread."""


class Deflicker:
    """Blends the result of each frame with that of the previous one, where the film did not change.

    The film is compared with an average of its past in the same proportions, so that slow changes are noticed as
    soon as they have become large, and nothing drags behind.
    """

    def __init__(self, strength: float, device: torch.device = CPU) -> None:
        """`strength`, 0 to below 1, is the share of the previous result where nothing moves.

        Raises LossmithError for another strength.
        """
        if not 0 <= strength < 1:
            raise LossmithError(f"`deflicker` must be at least 0 and less than 1, not {strength}")
        self.strength, self.device = strength, device
        self._past: tuple[Tensor, Tensor] | None = None
        """The average of the frames, and the previous result; both (1, 3, h, w)."""

    def __call__(self, frame: Pixels, result: Pixels) -> Pixels:
        """The result of a frame, both (h, w, 3), with values in [0, 1] or integers for the frame, deflickered."""
        if not self.strength:
            return result
        white = np.iinfo(frame.dtype).max if frame.dtype.kind == "u" else 1
        now = _planes(frame / np.float32(white), self.device), _planes(result, self.device)
        if self._past is not None:
            share = self.strength * stillness(self._past[0], now[0])
            enlarged = F.interpolate(share, now[1].shape[2:], mode="nearest")
            now = torch.lerp(now[0], self._past[0], share), torch.lerp(now[1], self._past[1], enlarged)
        self._past = now
        deflickered: Pixels = now[1][0].permute(1, 2, 0).cpu().numpy()
        return deflickered

    def save(self, path: Path) -> None:
        """Write what is remembered of the past."""
        if self._past is not None:
            with path.open("wb") as file:
                np.savez(file, frame=self._past[0].cpu(), result=self._past[1].cpu())

    def load(self, path: Path) -> None:
        """Remember what was written."""
        if self.strength:
            with np.load(path) as arrays:
                frame, result = (torch.from_numpy(arrays[name]).to(self.device) for name in ("frame", "result"))
                self._past = frame, result


def stillness(before: Tensor, now: Tensor) -> Tensor:
    """(N, 1, h, w) from 0, where frames (N, 3, h, w) differ, to 1, where they are the same but for noise."""
    change = (now - before).abs().mean(1, keepdim=True)
    around = F.avg_pool2d(change, REACH, stride=1, padding=REACH // 2, count_include_pad=False)
    spread = F.max_pool2d(around, REACH, stride=1, padding=REACH // 2)
    return ((DIFFERENT - spread) / (DIFFERENT - SAME)).clamp(0, 1)


def flicker(frames: Iterable[Pixels], results: Iterable[Pixels]) -> float:
    """The mean absolute difference between neighboring results where the frames stand still; NaN: nowhere.

    Frames and results of 8 bits, (h, w, 3) and of one size; in units of 1/255.
    """
    total = count = 0.0
    past: tuple[Tensor, Tensor] | None = None
    for frame, result in zip(frames, results, strict=True):
        now = _planes(frame / np.float32(255)), _planes(result.astype(np.float32))
        if past is not None:
            still = (stillness(past[0], now[0]) == 1).expand_as(now[1])
            total += float((now[1] - past[1]).abs()[still].sum(dtype=torch.float64))
            count += int(still.sum())
        past = now
    return total / count if count else float("nan")


def _planes(pixels: Pixels, device: torch.device = CPU) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(2, 0, 1)[None]
